"""The path of a call, written once. No other file decides the order.

 1 feed        revocations are known to be up to date
 2 attribute   Arrived    -> Attributed   who, for whom, through whom, who answers for it
 3 describe    Attributed -> Described    which service, tool, datasets, arguments
 4 decide      Described  -> Decided      allow, deny or hold
 5 sign off    Decided    -> Claim        only for a hold: waits, parks, or reserves one use of a grant
 6 credential             -> Injection    the secret, for this request only
 7 re-check                               revocations again: a wait may have lasted
 8 record                                 durable, before the first byte goes upstream
 9 mark sent                              only for a hold: durable, so that it can never run twice
10 release                -> Released     made here and nowhere else
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace

from policies.model import Outcome
from proxy import account
from proxy.credentials.broker import Broker
from proxy.deciding import denial, inquiry
from proxy.errors import CountersignError, Refusal, Refused, StoreUnavailable, refuse
from proxy.holds.answers import status_reply
from proxy.holds.service import HoldService
from proxy.identity.challenges import for_gateway
from proxy.identity.resolver import Resolver
from proxy.protocols.answers import Wire, render, wire_of
from proxy.protocols.registry import describe
from proxy.stages import (
    Answered,
    Arrived,
    Attributed,
    Call,
    Claim,
    Decided,
    Described,
    Destination,
    Evidence,
    Identity,
    Injection,
    Proven,
    Released,
    Reply,
    Request,
)
from proxy.tasks.feed import RevocationFeed
from proxy.upstreams import destination_of, outgoing, through_gateway
from proxy.world import World
from telemetry.errors import AuditUnavailable
from telemetry.ids import new_id
from telemetry.recorder import Recorder
from telemetry.trace_context import TraceContext, begin

log = logging.getLogger("countersign.pipeline")

# Agents ask here, through the proxy, what became of a held call. It resolves nowhere else.
OWN_HOST = "countersign.internal"

BROKEN = Refusal(
    "internal_error",
    503,
    "Countersign could not judge this call, so it did not pass. The fault is in the proxy, not in the request.",
    "retry",
)

STORE_DOWN = Refusal(
    "store_unavailable",
    503,
    "Countersign cannot reach its store at the moment, so this call did not pass.",
    "retry",
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the path is made of. `world` gives the snapshot in force; `clock` gives UNIX seconds."""

    world: Callable[[], World]
    resolver: Resolver
    feed: RevocationFeed
    holds: HoldService
    broker: Broker
    recorder: Recorder
    clock: Callable[[], float]


@dataclass(slots=True)
class _Story:
    """How far a call has come: the last stage that it reached, for the record of a refusal."""

    reached: Arrived | Attributed | Described | Decided
    trace: TraceContext
    claim: Claim | None = None


class Pipeline:
    """The gate between the wire and the upstream. Every way out but `Released` is a refusal."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._bound: dict[str, Proven] = {}
        self._admitted: set[str] = set()
        self._background: set[asyncio.Task[None]] = set()

    # --- the gate, as the listener sees it -----------------------------------------------------

    async def admit_tunnel(self, connection: str, evidence: Evidence, host: str, port: int) -> Reply | None:
        """None if this connection may open a tunnel; its identity is then bound to it.

        Who is proven gets the tunnel even if none of its calls can pass: clients hide the answer to a CONNECT
        from the agent, and show it the refusal of each call inside.
        """
        summary = f"CONNECT {host}:{port}"
        try:
            self._require_fresh_feed()
            await self._bind(connection, evidence)
        except Refused as refused:
            return await self.refuse(refused.refusal, connection, evidence.peer, summary)
        except Exception:  # the boundary: whatever breaks here, the tunnel stays shut
            log.exception("cannot judge %s", summary)
            return await self.refuse(BROKEN, connection, evidence.peer, summary)
        return None

    async def admit_call(self, arrived: Arrived, evidence: Evidence | None) -> Released | Reply:
        """The whole path up to the upstream. `evidence` None means: the identity bound to the connection."""
        story = _Story(arrived, begin(arrived.traceparent))
        try:
            return await self._walk(story, arrived, evidence)
        except Refused as refused:
            return await self._refuse(story, refused.refusal)
        except StoreUnavailable as error:
            return await self._refuse(story, replace(STORE_DOWN, internal=str(error)))
        except asyncio.CancelledError:
            self._abandon(story)
            raise
        except Exception:  # the boundary: whatever breaks on the path, the call does not pass
            log.exception("cannot judge call %s", arrived.call_id)
            return await self._refuse(story, BROKEN)

    async def refuse(self, refusal: Refusal, connection: str, peer: str, summary: str) -> Reply:
        """Record and word a refusal of something that could not become an `Arrived`."""
        call_id = new_id("call")
        trace = begin(None)
        await self._record_refusal(account.unreadable(refusal, connection, peer, summary, call_id, trace, self._now()))
        return render(refusal, wire=Wire(), call_id=call_id, trace_id=trace.trace)

    def destination(self, released: Released) -> Destination:
        """Where this released call may be connected to."""
        return destination_of(released.decided.described.call.service)

    def still_allowed(self, connection: str, released: Released | None) -> str | None:
        """None while the identity behind this connection (and call) lives; else the reason to cut it."""
        proven = self._bound.get(connection)
        if released is not None:
            proven = released.decided.described.attributed.identity.proven
        elif proven is None or connection not in self._admitted:
            return None  # nothing was admitted on it yet, so there is nothing to cut
        try:
            self._require_fresh_feed()
            self._living(proven)
        except Refused as refused:
            return refused.refusal.reason
        return None

    def unsent(self, released: Released, error: str) -> None:
        """Not one byte went upstream: the record says so, and an approval's use is given back."""
        now = self._now()
        self._finish(Answered(released, 0, 0, 0.0, now, error=error, sent=False))

    def answered(self, answered: Answered) -> None:
        """The call has ended, well or not."""
        self._finish(answered)

    def closed(self, connection: str) -> None:
        """The agent's connection is gone; what was bound to it is forgotten."""
        self._bound.pop(connection, None)
        self._admitted.discard(connection)

    async def drain(self) -> None:
        """Wait for what was begun in the background: outcomes of held calls."""
        while self._background:
            await asyncio.gather(*self._background, return_exceptions=True)

    # --- the path -------------------------------------------------------------------------------

    async def _walk(self, story: _Story, arrived: Arrived, evidence: Evidence | None) -> Released | Reply:
        self._require_fresh_feed()  # 1
        world = self._parts.world()
        if arrived.service_hint is not None:
            arrived = through_gateway(arrived, world.catalog.service(arrived.service_hint))
            story.reached = arrived
        attributed = Attributed(arrived, await self._attribute(arrived, evidence))  # 2
        story.reached = attributed
        if arrived.request.host == OWN_HOST:
            return await status_reply(self._parts.holds, arrived.request, attributed.identity.agent.id)
        described = describe(attributed, world.catalog)  # 3
        story.reached = described
        self._require_fresh_feed(described)
        decided = self._decide(story, described)  # 4
        if decided.decision.outcome is Outcome.HOLD:
            decided = await self._sign_off(story, decided)  # 5
        injection = self._parts.broker.prepare(described.call.service, arrived.request)  # 6
        self._living(attributed.identity.proven)  # 7
        index = await self._record(story, decided, injection)  # 8
        if story.claim is not None:
            await self._parts.holds.sent(story.claim)  # 9
        upstream = outgoing(
            arrived.request, injection, story.trace, internal=described.call.service.trust == "internal"
        )
        return Released(  # 10
            decided, upstream, injection, story.claim, index, story.trace.trace, story.trace.span
        )

    def _require_fresh_feed(self, described: Described | None = None) -> None:
        """Without word of revocations for a second, only reading goes on; after five, nothing does."""
        standing = self._parts.feed.standing(self._now())
        if standing == "fresh":
            return
        if standing == "degraded" and (described is None or _only_reads(described.call)):
            return
        raise refuse(
            "revocations_stale",
            503,
            "Countersign has not heard of revocations for too long, so this call did not pass.",
            "retry",
        )

    async def _attribute(self, arrived: Arrived, evidence: Evidence | None) -> Identity:
        if evidence is not None:
            await self._bind(arrived.connection, evidence)
        proven = self._bound.get(arrived.connection)
        if proven is None:
            raise refuse("identity_missing", 407, "This connection has not shown who it is.", "authenticate")
        identity = self._living(proven)
        self._admitted.add(arrived.connection)
        return identity

    async def _bind(self, connection: str, evidence: Evidence) -> None:
        """Who this connection proved to be, until it ends; it can never become somebody else."""
        proven = await self._parts.resolver.prove(evidence, self._now(), self._parts.world().inventory)
        bound = self._bound.get(connection)
        if bound is not None and (bound.agent, bound.task) != (proven.agent, proven.task):
            raise refuse("identity_conflict", 403, "This connection already belongs to another agent or task.")
        self._bound[connection] = proven

    def _living(self, proven: Proven) -> Identity:
        """The identity as it stands now: not expired, not revoked, with a living owner and a review in date."""
        now = self._now()
        identity = self._parts.resolver.attribute(proven, self._parts.world().inventory, now)
        ended = self._parts.feed.epochs.dead(identity.scopes, proven.issued_at)
        if ended is not None:
            kind = ended.scope.partition(":")[0]
            raise refuse(
                f"{kind}_revoked",
                403,
                "This agent's access has been ended by a person. Stop, and report it.",
                internal=f"{ended.scope} by {ended.by}: {ended.reason}",
            )
        return identity

    def _decide(self, story: _Story, described: Described) -> Decided:
        """The decision of the policies in force; raises the refusal when it is a denial."""
        decision = self._parts.world().engine.decide(inquiry(described, self._now()))
        story.reached = decided = Decided(described, decision)
        if decision.outcome not in {Outcome.ALLOW, Outcome.HOLD}:
            raise denial(decided)
        return decided

    async def _sign_off(self, story: _Story, decided: Decided) -> Decided:
        """Waits for people, then asks again: an approval answers a hold, it does not overrule a denial."""
        attributed = decided.described.attributed
        prefer = _prefer_wait(attributed.arrived.request)
        story.claim = await self._parts.holds.admit(decided, prefer_wait=prefer)
        self._living(attributed.identity.proven)
        described = describe(attributed, self._parts.world().catalog)
        if described.call.digest != decided.described.call.digest:
            raise refuse("approval_invalidated", 403, "What was approved has changed since. Ask again.", "request")
        newer = self._decide(story, described)
        if newer.decision.outcome is Outcome.HOLD:
            await self._parts.holds.confirm(story.claim, newer)
        return newer

    async def _record(self, story: _Story, decided: Decided, injection: Injection) -> int:
        record = account.decided(decided, story.trace, injection, story.claim, self._now())
        try:
            return await self._parts.recorder.append(record)
        except AuditUnavailable as error:
            raise refuse(
                "audit_unavailable",
                503,
                "What happens cannot be written down at the moment, so nothing passes.",
                "retry",
                internal=str(error),
            ) from error

    # --- refusals and endings ---------------------------------------------------------------------

    async def _refuse(self, story: _Story, refusal: Refusal) -> Reply:
        arrived = account.arrived_of(story.reached)
        if arrived.entrance == "gateway":
            refusal = for_gateway(refusal)
        await self._give_back(story.claim, refusal.reason)
        await self._record_refusal(account.refused(story.reached, story.trace, refusal, self._now()))
        wire = wire_of(arrived.request, self._parts.world().catalog)
        return render(refusal, wire=wire, call_id=arrived.call_id, trace_id=story.trace.trace)

    async def _record_refusal(self, record: account.Section) -> None:
        """A refusal stands even when it cannot be written down; then at least the operator hears of it."""
        try:
            await self._parts.recorder.append(record)
        except AuditUnavailable:
            log.exception("the refusal of %s could not be recorded", record["call"])

    async def _give_back(self, claim: Claim | None, why: str) -> None:
        if claim is None:
            return
        try:
            await self._parts.holds.not_sent(claim, why)
        except CountersignError:
            log.exception("the use of hold %s is not given back; the next start will do it", claim.hold_id)

    def _abandon(self, story: _Story) -> None:
        """The agent left while its call was judged: nothing went upstream."""
        if story.claim is not None:
            self._later(self._give_back(story.claim, "client left"))
        gone = Refusal("client_left", 499, "The client left before the call was judged.")
        self._parts.recorder.append_nowait(account.refused(story.reached, story.trace, gone, self._now()))

    def _finish(self, answered: Answered) -> None:
        self._parts.recorder.append_nowait(account.completed(answered))
        claim = answered.released.claim
        if claim is not None:
            self._later(self._close_claim(claim, answered))

    async def _close_claim(self, claim: Claim, answered: Answered) -> None:
        holds = self._parts.holds
        try:
            if answered.status:
                await holds.finished(claim, answered.status, answered.error)
            elif answered.sent:
                await holds.unknown(claim, answered.error)
            else:
                await holds.not_sent(claim, answered.error)
        except CountersignError:
            log.exception("the outcome of hold %s is not stored; the next start will settle it", claim.hold_id)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _now(self) -> float:
        return self._parts.clock()


def _only_reads(call: Call) -> bool:
    return call.lifecycle or (call.tool is not None and call.tool.effect == "read")


def _prefer_wait(request: Request) -> float | None:
    """Seconds from `Prefer: wait=N` (RFC 7240 section 4.3), or None."""
    for part in (request.header("prefer") or "").split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "wait" and value.isdecimal() and len(value) <= 4:
            return float(value)
    return None
