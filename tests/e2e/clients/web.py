"""An agent's HTTP calls with a client as people use it: told nothing of any proxy. JSON lines in, JSON lines out."""

import json
import subprocess
import sys
from collections.abc import Mapping


def with_requests(method: str, url: str, headers: Mapping[str, str], body: str | None) -> tuple[int, str]:
    import requests

    response = requests.request(method, url, headers=headers, data=body, timeout=30)
    return response.status_code, response.text


def with_httpx(method: str, url: str, headers: Mapping[str, str], body: str | None) -> tuple[int, str]:
    import httpx

    response = httpx.request(method, url, headers=headers, content=body, timeout=30)
    return response.status_code, response.text


def with_curl(method: str, url: str, headers: Mapping[str, str], body: str | None) -> tuple[int, str]:
    told = [f"-H{name}: {value}" for name, value in headers.items()]
    data = ["--data-binary", body] if body is not None else []
    command = ["curl", "-sS", "-X", method, *told, *data, "-w", "\n%{http_code}", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    text, _, status = done.stdout.rpartition("\n")
    return int(status), text


def main(client: str) -> None:
    send = {"requests": with_requests, "httpx": with_httpx, "curl": with_curl}[client]
    for line in sys.stdin:
        asked = json.loads(line)
        status, text = send(asked["method"], asked["url"], asked["headers"], asked["body"])
        print(json.dumps({"status": status, "text": text}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
