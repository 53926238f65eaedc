"""One question over the operator's socket: its answer, nobody there, or words."""

import contextlib
import errno
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from proxy.cli import at_socket
from proxy.cli.at_socket import ask
from proxy.errors import CountersignError
from proxy.unix_sockets import name_for


@contextlib.contextmanager
def answering(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """A server of one answer to a JSON object, and what it was asked."""
    heard: list[bytes] = []
    with name_for(path) as name, socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()

        def serve() -> None:
            with server.accept()[0] as connection:
                asked = b""
                while not asked.endswith(b"}"):
                    asked += connection.recv(65536)
                heard.append(asked)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield heard
        thread.join()


@pytest.mark.parametrize("folder", ["short", "d" * 120])
def test_the_answer_comes_with_its_status(tmp_path: Path, folder: str) -> None:
    """What is asked goes over as JSON, with its headers, however long the path."""
    path = tmp_path / folder / "operator.sock"
    path.parent.mkdir()
    with answering(path, b"HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\n{}") as heard:
        said = ask(path, "POST", "/v1/revocations", {"scope": "global", "reason": "Ä"}, {"Countersign-As": "alice"})
    assert said == (422, b"{}")
    assert heard[0].startswith(b"POST /v1/revocations HTTP/1.1\r\nHost: localhost\r\n")
    assert b"\r\nCountersign-As: alice\r\nContent-Type: application/json\r\n" in heard[0]
    assert heard[0].endswith(b'\r\n\r\n{"scope": "global", "reason": "\\u00c4"}')


def test_nobody_there_is_no_answer(tmp_path: Path) -> None:
    """No folder, no socket, one that nobody listens on any more, something else: then the state is asked itself."""
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(left))
    file = tmp_path / "file"
    file.touch()
    for path in (tmp_path / "none" / "operator.sock", tmp_path / "none.sock", left, file, file / "operator.sock"):
        assert ask(path, "GET", "/", None, {}) is None


@pytest.mark.parametrize("answer", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"])
def test_a_broken_answer_is_told_in_words(tmp_path: Path, answer: bytes) -> None:
    """A server that dies meanwhile, or that is something else, is never taken for one that agreed."""
    with (
        answering(tmp_path / "s", answer),
        pytest.raises(CountersignError, match=r"does not answer: .*; what was asked may be done"),
    ):
        ask(tmp_path / "s", "POST", "/v1/revocations", {}, {})


def test_a_server_that_stands_still_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who listens and says nothing is there: the state is not asked behind its back."""
    monkeypatch.setattr(at_socket, "ANSWER_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen(0)
        for _ in range(3):  # its queue is full at last
            with pytest.raises(CountersignError, match="the control API does not answer"):
                ask(tmp_path / "s", "GET", "/", None, {})


def test_somebody_else_is_told_who_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the user who serves can open the socket; another one is told so, and never by a traceback."""

    def closed(_: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(at_socket, "name_for", closed)
    with pytest.raises(CountersignError, match="s: only the user who runs `countersign serve` may open this"):
        ask(tmp_path / "s", "GET", "/", None, {})
