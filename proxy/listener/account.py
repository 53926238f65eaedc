"""Sees to it that every released call is accounted for exactly once: answered, or never sent."""

from collections.abc import Callable

from proxy.listener.guarded import GuardedGate
from proxy.listener.permit import Permit, Permits
from proxy.stages import Answered


class Account:
    """From a call's release to its end. The first ending counts; its permit ends with it."""

    def __init__(self, gate: GuardedGate, permits: Permits, permit: Permit, clock: Callable[[], float]) -> None:
        self._gate = gate
        self._permits = permits
        self._permit = permit
        self._clock = clock
        self._sent = False
        self._ended = False
        self._bytes = 0
        self._first_byte_at = 0.0

    @property
    def permit(self) -> Permit:
        return self._permit

    @property
    def ended(self) -> bool:
        return self._ended

    def sending(self) -> None:
        """The next thing that happens is a byte going upstream."""
        self._sent = True

    def received(self, size: int) -> None:
        """This many bytes of the answer's body are passed on; with the first call, the answer has begun."""
        if not self._first_byte_at:
            self._first_byte_at = self._clock()
        self._bytes += size

    def finish(self, status: int) -> None:
        """A complete answer has been passed on."""
        self._end(status, "")

    def fail(self, error: str) -> None:
        """No complete answer came or could be passed on, or nothing was ever sent."""
        if self._sent:
            self._end(0, error)
        elif not self._ended:
            self._close()
            self._gate.unsent(self._permit.released, error)

    def _end(self, status: int, error: str) -> None:
        if self._ended:
            return
        self._close()
        self._gate.answered(
            Answered(self._permit.released, status, self._bytes, self._first_byte_at, self._clock(), error, self._sent)
        )

    def _close(self) -> None:
        self._ended = True
        self._permits.discard(self._permit)
