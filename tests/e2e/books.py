"""A customer system in the test's own process: it counts what reaches it, and answers when the test lets it."""

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from proxy.demo.stage import Stage
from tests.e2e.conftest import replace


class Books:
    """Every request that came, and the door behind which those to customers named `slow-...` wait."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refunds: list[dict[str, Any]] = []
        self.open = threading.Event()

    def refunded(self, customer: str) -> int:
        """How many refunds this customer got."""
        return sum(refund["customer"] == customer for refund in self.refunds)


@contextlib.contextmanager
def serving(books: Books, stage: Stage) -> Iterator[None]:
    """These books in place of the stage's customer system, in the inventory too."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            books.asked.append(self.path)
            if "slow-" in self.path:
                books.open.wait(30)
            self._answer(200, {"customer": self.path.rpartition("/")[2]})

        def do_POST(self) -> None:
            refund = json.loads(self.rfile.read(int(self.headers["content-length"])))
            books.asked.append(self.path)
            books.refunds.append(refund)
            if refund["customer"].startswith("slow-"):
                books.open.wait(30)
            self._answer(201, refund)

        def _answer(self, status: int, value: object) -> None:
            body = json.dumps(value).encode()
            with contextlib.suppress(OSError):  # who asked may have been killed meanwhile
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a connection that was cut is what these tests are about

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls: Path = stage.directory / "tls"
    context.load_cert_chain(tls / "server.pem", tls / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    replace(stage.agents_file, f"127.0.0.1:{stage.ports['crm']}", f"127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        books.open.set()
        server.shutdown()
        server.server_close()
        thread.join()
