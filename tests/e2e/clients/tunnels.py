"""An agent that opens a tunnel for each call and hears the proxy's own answer to CONNECT. JSON lines in and out."""

import base64
import http.client
import json
import os
import ssl
import sys
from urllib.parse import urlsplit


def ask(host: str, path: str) -> tuple[int, str]:
    proxy = urlsplit(os.environ["HTTPS_PROXY"])
    credential = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
    tunnel = http.client.HTTPConnection(str(proxy.hostname), proxy.port, timeout=30)
    tunnel.request("CONNECT", f"{host}:443", headers={"Host": host, "Proxy-Authorization": f"Basic {credential}"})
    answer = http.client.HTTPResponse(tunnel.sock, method="CONNECT")
    answer.begin()
    if answer.status != 200:
        return answer.status, answer.read().decode()
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    connection = http.client.HTTPSConnection(host, timeout=30)
    connection.sock = context.wrap_socket(tunnel.sock, server_hostname=host)
    connection.request("GET", path)
    inner = connection.getresponse()
    return inner.status, inner.read().decode()


if __name__ == "__main__":
    for line in sys.stdin:
        status, text = ask(**json.loads(line))
        print(json.dumps({"status": status, "text": text}), flush=True)
