"""The one wrapper around the gate: whatever goes wrong in there, what comes out is a refusal."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from proxy.blame import blame
from proxy.deciding import OUT_OF_TIME
from proxy.errors import Refusal, Refused
from proxy.listener.interfaces import Destination, Gate
from proxy.listener.problem import UNAVAILABLE, problem
from proxy.stages import Answered, Arrived, Evidence, Released, Reply
from telemetry.patience import Patience

log = logging.getLogger("countersign.listener")

# Stand for no verdict at all. Not None, because for a tunnel None is a yes.
_FAILED = object()
_TOO_LATE = object()


class GuardedGate:
    """A gate that never raises. Failure, cancellation, time-out and nonsense are all a `Reply` that refuses."""

    def __init__(self, gate: Gate, within: float) -> None:
        self._gate = gate
        self._patience: Patience[asyncio.Task[object]] = Patience(within, _give_up)

    async def admit_tunnel(self, connection: str, evidence: Evidence, host: str, port: int) -> Reply | None:
        verdict = await self._ask("admit_tunnel", lambda: self._gate.admit_tunnel(connection, evidence, host, port))
        return None if verdict is None else _refusal(verdict)

    async def admit_call(self, arrived: Arrived, evidence: Evidence | None) -> Released | Reply:
        verdict = await self._ask("admit_call", lambda: self._gate.admit_call(arrived, evidence))
        return verdict if isinstance(verdict, Released) else _refusal(verdict)

    async def refuse(self, refusal: Refusal, connection: str, peer: str, summary: str) -> Reply:
        """The gate's wording of this refusal, else our own: it is refused in any case."""
        reply = await self._ask("refuse", lambda: self._gate.refuse(refusal, connection, peer, summary))
        return reply if isinstance(reply, Reply) and reply.status >= 400 else problem(refusal)

    def destination(self, released: Released) -> Destination | None:
        """None if the gate cannot say: then the call goes nowhere."""
        place = self._call("destination", lambda: self._gate.destination(released))
        return place if isinstance(place, Destination) else None

    def still_allowed(self, connection: str, released: Released | None) -> str | None:
        """None only if the gate says so; if it cannot be asked, that is a reason to cut."""
        try:
            reason = self._gate.still_allowed(connection, released)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the listener's boundary
            _report("still_allowed", error)
            return "check_failed"
        return None if reason is None else str(reason) or "revoked"

    def agent_of(self, connection: str) -> str | None:
        """None too if the gate cannot say: then nobody is proven."""
        agent = self._call("agent_of", lambda: self._gate.agent_of(connection))
        return agent if isinstance(agent, str) else None

    def word(self, released: Released, refusal: Refusal) -> Reply:
        """The gate's wording of what became of a released call, else our own."""
        reply = self._call("word", lambda: self._gate.word(released, refusal))
        return reply if isinstance(reply, Reply) else problem(refusal)

    def unsent(self, released: Released, error: str) -> None:
        self._call("unsent", lambda: self._gate.unsent(released, error))

    def answered(self, answered: Answered) -> None:
        self._call("answered", lambda: self._gate.answered(answered))

    def closed(self, connection: str) -> None:
        self._call("closed", lambda: self._gate.closed(connection))

    async def _ask(self, name: str, question: Callable[[], Awaitable[object]]) -> object:
        task = asyncio.current_task()
        if task is None:
            return _FAILED  # nobody could be kept from waiting for ever
        self._patience.begin(task)
        try:
            return await question()
        except Refused as refused:
            return problem(refused.refusal)
        except asyncio.CancelledError as cancelled:
            if OUT_OF_TIME.reason not in cancelled.args:
                _report(name, cancelled)
                return _FAILED
            task.uncancel()
            return _TOO_LATE
        except Exception as error:  # noqa: BLE001 - the listener's boundary
            _report(name, error)
            return _FAILED
        finally:
            self._patience.end(task)

    def _call(self, name: str, question: Callable[[], object]) -> object:
        try:
            return question()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the listener's boundary
            _report(name, error)
            return None


def _give_up(task: asyncio.Task[object]) -> None:
    """Not as `asyncio.timeout` does it: the gate is to put on record why it was stopped."""
    log.error("the gate did not answer in time")
    task.cancel(OUT_OF_TIME.reason)


def _refusal(verdict: object) -> Reply:
    """The verdict if it is a reply, else a refusal: an unexpected verdict is not a yes."""
    if isinstance(verdict, Reply):
        return verdict
    if verdict is _TOO_LATE:
        return problem(OUT_OF_TIME)
    if verdict is not _FAILED:
        log.error("the gate answered with a %s", type(verdict).__name__)
    return problem(UNAVAILABLE)


def _report(name: str, error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        log.debug("%s was cancelled", name)
    else:
        log.error("%s failed with %s", name, blame(error))
