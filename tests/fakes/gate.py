"""A gate that allows or refuses as told, remembers everything that it was asked, and can be made to fail."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

from policies.model import Decision, Outcome
from proxy.errors import Refusal
from proxy.facts import Agent, Person, Service
from proxy.listener.problem import problem
from proxy.stages import (
    Answered,
    Arrived,
    Attributed,
    Call,
    Chain,
    Decided,
    Described,
    Destination,
    Evidence,
    Identity,
    Injection,
    Principal,
    Proven,
    Released,
    Reply,
    Request,
)

_AGENT = Agent(id="bot", purpose="tests", expires=date(2030, 1, 1), review_due=date(2030, 1, 1))
_PERSON = Person(id="olga", name="Olga")
_PROVEN = Proven("bot", "handle", "hnd_1", 0.0, 4e9, "task_1")
_IDENTITY = Identity(_AGENT, _PERSON, Chain(Principal("agent", "bot")), _PROVEN, ())
_SERVICE = Service(id="svc", owner="olga", url="https://a.test")
_DECISION = Decision(Outcome.ALLOW, (), "v1")

DENIED = Reply(403, (("content-type", "application/problem+json"),), b'{"reason":"denied"}')
ASK_WHO = Reply(
    407, (("proxy-authenticate", 'Basic realm="countersign"'), ("proxy-authenticate", "Bearer")), b'{"reason":"who"}'
)


def released(arrived: Arrived, upstream: Request, injection: Injection | None = None) -> Released:
    """This call as the pipeline would release it."""
    call = Call("rest", _SERVICE, None, "svc GET /", {}, (), "sha256:0", b"")
    decided = Decided(Described(Attributed(arrived, _IDENTITY), call), _DECISION)
    return Released(decided, upstream, injection or Injection(), None, 1, "0" * 32, "0" * 16)


@dataclass
class FakeGate:
    """Lets calls through to `place`, unless `tunnel` or `call` say otherwise.

    `fail` names methods that raise `error` instead of answering.
    """

    place: Destination | None = None
    injection: Injection = field(default_factory=Injection)
    tunnel: Callable[[Evidence, str, int], Reply | None] = lambda *_: None
    call: Callable[[Arrived], Released | Reply] | None = None
    wait: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    fail: frozenset[str] = frozenset()
    error: BaseException = field(default_factory=lambda: RuntimeError("broken on purpose"))
    cut: str | None = None
    agent: str | None = "bot"
    words: Reply | None = None

    tunnels: list[tuple[str, Evidence, str, int]] = field(default_factory=list)
    calls: list[tuple[Arrived, Evidence | None]] = field(default_factory=list)
    refusals: list[tuple[Refusal, str]] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    never_sent: list[tuple[Released, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def admit_tunnel(self, connection: str, evidence: Evidence, host: str, port: int) -> Reply | None:
        self.tunnels.append((connection, evidence, host, port))
        self._maybe_fail("admit_tunnel")
        return self.tunnel(evidence, host, port)

    async def admit_call(self, arrived: Arrived, evidence: Evidence | None) -> Released | Reply:
        self.calls.append((arrived, evidence))
        self.asked.set()
        self._maybe_fail("admit_call")
        if self.wait is not None:
            await self.wait.wait()
        return self.call(arrived) if self.call else self.release(arrived)

    def release(self, arrived: Arrived) -> Released:
        """Lets the call go to `place`, with nothing changed but where it goes."""
        place = self.place or Destination("https", arrived.request.host, arrived.request.port)
        scheme = "https" if place.scheme == "https" else "http"
        upstream = replace(arrived.request, scheme=scheme, host=place.host, port=place.port)
        return released(arrived, upstream, self.injection)

    async def refuse(self, refusal: Refusal, connection: str, peer: str, summary: str) -> Reply:
        self.refusals.append((refusal, summary))
        self._maybe_fail("refuse")
        return Reply(refusal.status, (("content-type", "text/plain"),), refusal.reason.encode())

    def destination(self, released: Released) -> Destination:
        self._maybe_fail("destination")
        assert self.place is not None
        return self.place

    def still_allowed(self, connection: str, released: Released | None) -> str | None:
        self._maybe_fail("still_allowed")
        return self.cut

    def agent_of(self, connection: str) -> str | None:
        """Whoever was let through, or has asked anything: the tests' one agent."""
        self._maybe_fail("agent_of")
        admitted = {one for one, *_ in self.tunnels} | {arrived.connection for arrived, _ in self.calls}
        return self.agent if connection in admitted else None

    def word(self, released: Released, refusal: Refusal) -> Reply:
        self._maybe_fail("word")
        return self.words or problem(refusal)

    def unsent(self, released: Released, error: str) -> None:
        self.never_sent.append((released, error))
        self.ended.set()
        self._maybe_fail("unsent")

    def answered(self, answered: Answered) -> None:
        self.answers.append(answered)
        self.ended.set()
        self._maybe_fail("answered")

    def closed(self, connection: str) -> None:
        self.gone.append(connection)
        self._maybe_fail("closed")

    def _maybe_fail(self, method: str) -> None:
        if method in self.fail:
            raise self.error
