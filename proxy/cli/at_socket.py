"""One question to a running server over its operator's socket, with next to nothing to load: an end must not wait."""

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path

from policies.model import Json
from proxy.app.local import ANSWER_SECONDS, not_yours
from proxy.errors import CountersignError
from proxy.unix_sockets import name_for


def ask(
    path: Path, method: str, target: str, body: Mapping[str, Json] | None, headers: Mapping[str, str]
) -> tuple[int, bytes] | None:
    """The status and the content of the answer; None if nobody serves there. `CountersignError` if none comes."""
    content = None if body is None else json.dumps(body).encode()
    said = {**headers, "Content-Type": "application/json"} if body is not None else dict(headers)
    connection = _AtSocket(path)
    try:
        connection.connect()
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return None
    except PermissionError as error:
        raise not_yours(path) from error
    except OSError as error:
        raise CountersignError(f"the control API does not answer: {error.strerror or error}") from error
    try:
        connection.request(method, target, body=content, headers=said)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        done = "" if method == "GET" else "; what was asked may be done all the same: look before you ask again"
        raise CountersignError(
            f"the control API does not answer: {str(error).strip() or type(error).__name__}{done}"
        ) from error
    finally:
        connection.close()


class _AtSocket(http.client.HTTPConnection):
    """HTTP/1.1 over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with name_for(self._path) as name:
                made.settimeout(ANSWER_SECONDS)
                made.connect(name)
        except OSError:
            made.close()
            raise
        self.sock = made
