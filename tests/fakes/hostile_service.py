"""A service that answers as it is told, byte for byte, and remembers every request that reached it."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping


class HostileService:
    """`answers` gives the bytes for the last segment of a path; an unknown one is answered with 404."""

    def __init__(self, listening: socket.socket, answers: Mapping[bytes, bytes]) -> None:
        self.port: int = listening.getsockname()[1]
        self.seen: list[bytes] = []
        self._listening = listening
        self._answers = answers
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Takes connections until the listening socket is shut down."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._open.add(connection)
                thread = threading.Thread(target=self._converse, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def end(self) -> None:
        """No thread and no socket is left."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _converse(self, connection: socket.socket) -> None:
        heard = b""
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                heard += data
                while b"\r\n\r\n" in heard:
                    head, _, heard = heard.partition(b"\r\n\r\n")
                    self.seen.append(head)
                    last = head.split(b" ")[1].partition(b"?")[0].rpartition(b"/")[2]
                    answer = self._answers.get(last, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
                    connection.sendall(answer)
                    if b"content-length:" not in answer.lower() and b"chunked" not in answer.lower():
                        return
        self._open.discard(connection)


@contextlib.contextmanager
def hostile_service(answers: Mapping[bytes, bytes]) -> Iterator[HostileService]:
    """Listening on a free port of this machine until left."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        service = HostileService(listening, answers)
        thread = threading.Thread(target=service.run)
        thread.start()
        try:
            yield service
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            service.end()
