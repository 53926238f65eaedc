"""A small customer system: a real HTTPS service that wants a real key, and knows nothing of Countersign."""

import contextlib
import json
import os
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

STREAM_SECONDS = 60


class Crm(BaseHTTPRequestHandler):
    """Customers, refunds, an export, and a stream of events. Every request needs the key."""

    protocol_version = "HTTP/1.1"
    key: ClassVar[str] = os.environ.get("CRM_KEY", "")
    refunds: ClassVar[list[dict[str, object]]] = []
    lock: ClassVar[threading.Lock] = threading.Lock()

    def do_GET(self) -> None:
        """Answer a read."""
        if not self._authentic():
            return
        if self.path.startswith("/v1/customers/"):
            self._answer(200, {"customer": self.path.rpartition("/")[2], "name": "Ada Example", "plan": "gold"})
        elif self.path == "/v1/exports/customers":
            self._answer(200, {"customers": ["Ada Example", "Bo Example", "Cy Example"]})
        elif self.path == "/v1/refunds":
            self._answer(200, {"refunds": self.refunds})
        elif self.path == "/v1/events":
            self._stream()
        else:
            self._answer(404, {"error": "not found"})

    def do_POST(self) -> None:
        """Answer a refund."""
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if not self._authentic():
            return
        if self.path != "/v1/refunds":
            self._answer(404, {"error": "not found"})
            return
        with self.lock:
            refund = {"refund": len(self.refunds) + 1, **json.loads(body)}
            self.refunds.append(refund)
        self._answer(201, refund)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: the demo tells the story."""

    def _authentic(self) -> bool:
        if self.key and self.headers.get("authorization") == f"Bearer {self.key}":
            return True
        self._answer(401, {"error": "the CRM wants its key"})
        return False

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):  # the reader has left
            for number in range(STREAM_SECONDS * 10):
                self.wfile.write(f"data: event {number}\n\n".encode())
                self.wfile.flush()
                time.sleep(0.1)
        self.close_connection = True


def main(chain: str, key: str, listening: str) -> None:
    """Serve on this listening socket, inherited by its number, until killed."""
    if not Crm.key:
        sys.exit("CRM_KEY is not set")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with socket.socket(fileno=int(listening)) as sock:
        server = ThreadingHTTPServer(sock.getsockname(), Crm, bind_and_activate=False)
        server.daemon_threads = True
        server.socket.close()
        server.socket = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
