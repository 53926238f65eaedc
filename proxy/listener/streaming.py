"""Watches an answer go by, piece by piece: no secret of ours in it, and nobody's access ended meanwhile."""

from collections.abc import Callable
from typing import Protocol

from proxy.inspection.leaks import Leaked, LeakScanner
from proxy.stages import Secret

CHECK_EVERY = 1.0


class Cut(Exception):
    """The answer must not go on. Text is the reason code."""


class Scanner(Protocol):
    """Passes on what is certainly free of secrets; raises `Leaked` if one appears."""

    def feed(self, chunk: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class BodyGuard:
    """One answer's body. Holds back no more than the scanner must; keeps nothing else."""

    def __init__(
        self, secrets: tuple[Secret, ...], check: Callable[[], str | None], clock: Callable[[], float]
    ) -> None:
        self._scanner: Scanner | None = LeakScanner(secrets) if secrets else None
        self._check = check
        self._clock = clock
        self._checked_at = clock()

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now; raises Cut."""
        now = self._clock()
        if now - self._checked_at >= CHECK_EVERY:
            self._checked_at = now
            reason = self._check()
            if reason is not None:
                raise Cut(reason)
        if self._scanner is None:
            return chunk
        try:
            return self._scanner.feed(chunk)
        except Leaked:
            raise Cut("secret_leaked") from None

    def end(self) -> bytes:
        """The rest that was held back; raises Cut."""
        if self._scanner is None:
            return b""
        try:
            return self._scanner.end()
        except Leaked:
            raise Cut("secret_leaked") from None
