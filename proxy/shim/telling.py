"""What a person is told of tunnels that were refused: most clients hide the answer to a CONNECT from their users."""

import json
from collections.abc import Callable

from telemetry.record import clip

type Say = Callable[[str], None]

_MOST_REASONS = 32
_MOST_TEXT = 300


class Teller:
    """Says each reason once, with the first place that it was given for: one clean line, whoever wrote it."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._said: set[str] = set()

    def refused(self, target: str, reason: str, detail: str) -> None:
        """This target was refused."""
        if reason in self._said or len(self._said) >= _MOST_REASONS:
            return
        self._said.add(reason)
        self._say(f"{_line(target)} was refused: {_line(detail)} ({_line(reason)})")

    def answered(self, target: str, status: str, body: bytes) -> None:
        """The proxy answered with this instead of opening a tunnel: a problem document (RFC 9457), or anything."""
        try:
            document = json.loads(body)
            reason, detail = document["reason"], document["detail"]
        except (ValueError, TypeError, KeyError, RecursionError):
            reason, detail = f"status {status}", "Countersign gave no reason."
        self.refused(target, str(reason), str(detail))


def _line(text: str) -> str:
    return clip("".join(letter if letter.isprintable() else "?" for letter in text), _MOST_TEXT)
