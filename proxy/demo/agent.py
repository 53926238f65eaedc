"""A real agent program. It knows its tools' addresses and nothing of Countersign: no key, no proxy code.

Each step prints JSON lines: what it asked, and what came back.
"""

import asyncio
import functools
import importlib
import json
import os
import sys
import threading
import time
from typing import Any

import httpx

CRM = "https://crm.demo.internal"
NOTES = "https://notes.demo.internal/mcp"
TIMEOUT = 30.0


def say(**facts: Any) -> None:
    """One line for whoever reads along."""
    print(json.dumps(facts), flush=True)


@functools.cache
def _client() -> httpx.Client:
    """One client, as real agents have: what it finds in the environment is all that it knows."""
    return httpx.Client(timeout=TIMEOUT)


def http(method: str, path: str, body: object = None) -> None:
    """One call to the customer system, or to another place that is given whole."""
    url = path if path.startswith("https://") else CRM + path
    response = _client().request(method, url, json=body)
    say(
        asked=f"{method} {url}",
        sent=json.dumps(body) if body else "",
        sent_headers=sorted(response.request.headers.keys()),
        status=response.status_code,
        answer=_decoded(response),
    )


def _decoded(response: httpx.Response) -> object:
    try:
        return response.json()
    except json.JSONDecodeError:
        return response.text


async def mcp(tool: str, arguments: dict[str, Any]) -> None:
    """One call to a tool of the note service."""
    from mcp import Client  # noqa: PLC0415 - slow to load, and most steps do without

    async with Client(NOTES, read_timeout_seconds=TIMEOUT) as client:
        result = await client.call_tool(tool, arguments)
    say(
        asked=f"tools/call {tool} at {NOTES}",
        sent=json.dumps(arguments),
        status="error" if result.is_error else "ok",
        answer=[part.text for part in result.content if hasattr(part, "text")],
    )


def stream() -> None:
    """Read the event stream until it ends or is cut."""
    events, cut = 0, ""
    try:
        with _client().stream("GET", CRM + "/v1/events") as response:
            say(asked=f"GET {CRM}/v1/events", status=response.status_code)
            for line in response.iter_lines():
                events += line.startswith("data:")
                if line == "data: event 4":
                    say(reading=events)
    except httpx.HTTPError as error:
        cut = type(error).__name__
    say(asked=f"{CRM}/v1/events", events=events, cut=cut, at=time.time())


def environment() -> None:
    """What this process holds in its environment that looks like a secret."""
    own = {name: value for name, value in os.environ.items() if "key" in name.lower() or "token" in name.lower()}
    say(asked="my own environment", secrets=own)


def act(step: str, *arguments: str) -> None:
    """Do one step."""
    match step:
        case "get" | "post":
            http(step.upper(), arguments[0], json.loads(arguments[1]) if arguments[1:] else None)
        case "tool":
            asyncio.run(mcp(arguments[0], json.loads(arguments[1])))
        case "stream":
            stream()
        case "environment":
            environment()
        case _:
            sys.exit(f"unknown step `{step}`")


def main() -> None:
    """Do the steps that come in, a JSON array on each line, and say when each is done."""
    threading.Thread(target=importlib.import_module, args=("mcp",), daemon=True).start()  # while we wait for a step
    for line in sys.stdin:
        act(*json.loads(line))
        say(done=True)


if __name__ == "__main__":
    main()
