"""The path of a call, written once. No other file decides the order.

 1 feed        revocations are known to be up to date
 2 attribute   Arrived    -> Attributed   who, for whom, through whom, who answers for it
 3 describe    Attributed -> Described    which service, tool, datasets, arguments
 4 task                                   declared what is called, and runs
 5 decide      Described  -> Decided      allow, deny or hold; under a freeze nothing is simply allowed
 6 sign off    Decided    -> Claim        only for a hold: waits, parks, or reserves one use of a grant
 7 budget                                 the task's, counted durably before anything is spent
 8 credential             -> Injection    the secret, for this request only; what an internal service is told
 9 record                                 durable, before the first byte goes upstream
10 mark sent                              only for a hold: durable, so that it can never run twice
11 re-check                               revocations again: all of this may have lasted
12 release                -> Released     made here and nowhere else
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace

from policies.model import Outcome
from proxy import account
from proxy.credentials.broker import Broker
from proxy.crowd import Crowd
from proxy.deciding import OUT_OF_TIME, denial, failure, inquiry, prefer_wait
from proxy.downstream.txn_token import Minter, TxnToken
from proxy.endings import Endings, Reach, call_scopes, today
from proxy.errors import Refusal, Refused, refuse
from proxy.holds.service import HoldService
from proxy.identity.challenges import for_gateway
from proxy.identity.resolver import Resolver
from proxy.own_host import OWN_HOST, OwnEndpoint, own_reply
from proxy.protocols.answers import Wire, render, wire_of
from proxy.protocols.registry import describe
from proxy.restraining import restrained
from proxy.stages import (
    Answered,
    Arrived,
    Attributed,
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
)
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.guard import TaskGuard
from proxy.upstreams import destination_of, outgoing, through_gateway, without_query_credentials
from proxy.world import World
from telemetry.errors import AuditUnavailable
from telemetry.ids import new_id
from telemetry.recorder import Recorder
from telemetry.redaction import Redacted, redact
from telemetry.trace_context import TraceContext, begin, parse_traceparent

log = logging.getLogger("countersign.pipeline")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the path is made of. `world` gives the snapshot in force; `clock` gives UNIX seconds."""

    world: Callable[[], World]
    resolver: Resolver
    feed: RevocationFeed
    tasks: TaskGuard
    holds: HoldService
    broker: Broker
    recorder: Recorder
    clock: Callable[[], float]
    minter: Minter | None = None  # without one, internal services are told nothing of their calls
    own: Mapping[str, OwnEndpoint] = field(default_factory=dict)  # by path, at our own host


@dataclass(slots=True)
class _Story:
    """How far a call has come: the last stage that it reached, for the record of a refusal.

    `void` says why the approval behind the claim no longer stands, should the call be refused.
    """

    reached: Arrived | Attributed | Described | Decided
    trace: TraceContext
    world: World | None = None
    arguments: Redacted | None = None
    claim: Claim | None = None
    void: str = ""
    token: TxnToken | None = None


class Pipeline:
    """The gate between the wire and the upstream. Every way out but `Released` is a refusal."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._endings = Endings(parts.resolver, parts.feed, parts.tasks, parts.clock)
        self._under_way: dict[str, dict[str, Released]] = {}
        self._bound: dict[str, Proven] = {}
        self._heard: set[str] = set()
        self._crowd = Crowd()
        self._background: set[asyncio.Task[None]] = set()

    # --- the gate, as the listener sees it -----------------------------------------------------

    async def admit_tunnel(self, connection: str, evidence: Evidence, host: str, port: int) -> Reply | None:
        """None if this connection may open a tunnel; its identity is then bound to it.

        Who is proven gets the tunnel even if none of its calls can pass: clients hide the answer to a CONNECT
        from the agent, and show it the refusal of each call inside.
        """
        summary = f"CONNECT {host}:{port}"
        try:
            await self._endings.hear()
            await self._bind(connection, evidence, self._parts.world())
        except Exception as error:  # noqa: BLE001 - the boundary: whatever breaks here, the tunnel stays shut
            return await self.refuse(failure(error, summary), connection, evidence.peer, summary)
        return None

    async def admit_call(self, arrived: Arrived, evidence: Evidence | None) -> Released | Reply:
        """The whole path up to the upstream. `evidence` None means: the identity bound to the connection."""
        story = _Story(arrived, begin(arrived.traceparent))
        try:
            return await self._walk(story, arrived, evidence)
        except asyncio.CancelledError as cancelled:
            self._abandon(story, cancelled)
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: whatever breaks on the path, the call does not pass
            return await self._refuse(story, failure(error, arrived.call_id))

    async def refuse(self, refusal: Refusal, connection: str, peer: str, summary: str) -> Reply:
        """Record and word a refusal of something that could not become an `Arrived`."""
        call_id, trace = new_id("call"), begin(None)
        record = account.unreadable(refusal, connection, peer, summary, call_id, trace, self._now())
        await self._record_refusal(lambda: record, None)
        return render(refusal, wire=Wire(), call_id=call_id, trace_id=trace.trace)

    def destination(self, released: Released) -> Destination:
        """Where this released call may be connected to."""
        return destination_of(released.decided.described.call.service)

    def still_allowed(self, connection: str, released: Released | None) -> str | None:
        """None while the identity behind this connection (and call) lives; else the reason to cut it."""
        proven = self._bound.get(connection)
        if released is not None:
            proven = released.decided.described.attributed.identity.proven
        elif proven is None or connection not in self._heard:
            return None  # nothing was asked on it yet: whoever may ask nothing is to hear so in answer to a call
        try:
            self._endings.require_going_on(connection, proven, released, self._parts.world())
        except Refused as refused:
            return refused.refusal.reason
        return None

    def word(self, released: Released, refusal: Refusal) -> Reply:
        """What the agent is told of a call that was released and brought no answer, in its own protocol."""
        arrived = account.arrived_of(released.decided)
        wire = wire_of(arrived.request, self._parts.world().catalog)
        return render(refusal, wire=wire, call_id=arrived.call_id, trace_id=released.trace_id)

    def unsent(self, released: Released, error: str) -> None:
        """Not one byte went upstream: the record says so, and an approval's use is given back."""
        self._finish(Answered(released, 0, 0, 0.0, self._now(), error=error, sent=False))

    def answered(self, answered: Answered) -> None:
        """The call has ended, well or not."""
        self._finish(answered)

    def closed(self, connection: str) -> None:
        """The agent's connection is gone; what was bound to it is forgotten."""
        self._bound.pop(connection, None)
        self._heard.discard(connection)
        self._under_way.pop(connection, None)

    def agent_of(self, connection: str) -> str | None:
        """The agent that this connection has proven to be; None while it has not."""
        proven = self._bound.get(connection)
        return None if proven is None else proven.agent

    def reached_by(self, scope: str) -> Reach:
        """How many open connections, and calls under way, are under this scope now."""
        heard = [(one, self._bound[one]) for one in self._heard if one in self._bound]
        calls = [released for calls in self._under_way.values() for released in calls.values()]
        return self._endings.reach(scope, heard, calls, self._parts.world())

    def tell_crowd(self) -> None:
        """Put on record how many unknown callers were refused without a record each. Now and then."""
        for record in self._crowd.take_untold(self._now()):
            self._parts.recorder.append_nowait(record)

    async def drain(self) -> None:
        """Wait for what was begun in the background: outcomes of held calls."""
        while self._background:
            begun = set(self._background)
            await asyncio.gather(*begun, return_exceptions=True)
            self._background -= begun  # if all have ended, gather waits for nothing, not even for their callbacks
        await self._parts.tasks.drain()

    # --- the path -------------------------------------------------------------------------------

    async def _walk(self, story: _Story, arrived: Arrived, evidence: Evidence | None) -> Released | Reply:
        parts = self._parts
        await self._endings.hear()  # 1
        story.world = world = parts.world()
        if arrived.service_hint is not None:
            arrived = through_gateway(arrived, world.catalog.service(arrived.service_hint))
            story.reached = arrived
        attributed = Attributed(arrived, await self._attribute(arrived, evidence, world))  # 2
        story.reached = attributed
        if arrived.request.host == OWN_HOST:
            return await own_reply(parts.own, parts.holds, arrived.request, attributed.identity)
        described = self._describe(story, attributed, world)  # 3
        arrived = described.attributed.arrived
        await self._endings.hear(described)
        await parts.tasks.bound(described, self._now())  # 4
        decided = self._decide(story, described, world)  # 5
        if decided.decision.outcome is Outcome.HOLD:
            decided = await self._sign_off(story, decided)  # 6
            described = decided.described
        caller = described.attributed.identity
        await parts.tasks.count(described)  # 7
        injection = await parts.broker.prepare(described.call.service, arrived.request, caller, self._now())  # 8
        if parts.minter is not None:
            story.token = parts.minter.mint(decided, story.claim, story.trace.trace, self._now())
        index = await self._record(story, injection)  # 9
        if story.claim is not None:
            await parts.holds.sent(story.claim)  # 10
        internal = described.call.service.trust == "internal"
        upstream = outgoing(arrived.request, injection, story.trace, internal=internal, token=story.token)
        await self._endings.hear(decided.described)
        # INVARIANT: nothing is awaited between this and the release.
        self._endings.require_release(decided, parts.world())  # 11
        released = Released(  # 12
            decided, upstream, injection, story.claim, index, story.trace.trace, story.trace.span, self._now()
        )
        self._under_way.setdefault(arrived.connection, {})[arrived.call_id] = released
        return released

    async def _attribute(self, arrived: Arrived, evidence: Evidence | None, world: World) -> Identity:
        if evidence is not None:
            await self._bind(arrived.connection, evidence, world)
        proven = self._bound.get(arrived.connection)
        if proven is None:
            raise refuse("identity_missing", 407, "This connection has not shown who it is.", "authenticate")
        self._heard.add(arrived.connection)
        return self._endings.living(proven, world)

    async def _bind(self, connection: str, evidence: Evidence, world: World) -> None:
        """Who this connection proved to be, until it ends; it can never become somebody else."""
        await self._endings.hear(newcomer=connection not in self._bound)  # who is new may have been ended meanwhile
        proven = await self._parts.resolver.prove(evidence, self._now(), world.inventory)
        bound = self._bound.get(connection)
        if bound is not None and _who(bound) != _who(proven):
            raise refuse("identity_conflict", 403, "This connection already belongs to another agent or task.")
        self._bound[connection] = proven

    def _describe(self, story: _Story, attributed: Attributed, world: World) -> Described:
        request = attributed.arrived.request
        if request.query or request.body:
            service = world.catalog.service_for(request.scheme, request.host, request.port, request.path)
            attributed = without_query_credentials(attributed, service)
        story.reached = described = describe(attributed, world.catalog)
        story.arguments = redact(described.call.arguments)
        inbound = parse_traceparent(described.call.traceparent) if described.call.traceparent else None
        if inbound is not None:  # the message's own word on its trace is nearer than the header's (SEP-414)
            story.trace = replace(story.trace, origin="restarted", inbound=inbound)
        return described

    def _decide(self, story: _Story, described: Described, world: World) -> Decided:
        """What policy allows, or holds, under what is frozen; raises the refusal of what is ended or denied."""
        now, scopes = self._now(), call_scopes(described)
        self._endings.require_open(scopes)
        self._endings.require_answered_for(described.call, world)
        story.reached = decided = Decided(described, world.engine.decide(inquiry(described, now)), scopes)
        if decided.decision.outcome not in {Outcome.ALLOW, Outcome.HOLD}:
            raise denial(decided)
        restraints = self._endings.restraints(described.attributed.identity, scopes)
        if restraints:
            story.reached = decided = restrained(decided, restraints, today(now))
        return decided

    async def _sign_off(self, story: _Story, decided: Decided) -> Decided:
        """Waits for people, then asks again: an approval answers a hold, it does not overrule a denial."""
        arrived, holds = decided.described.attributed.arrived, self._parts.holds
        story.claim = await holds.admit(decided, prefer_wait=prefer_wait(arrived.request))
        story.world = world = self._parts.world()
        identity = self._endings.living(decided.described.attributed.identity.proven, world)
        described = describe(Attributed(arrived, identity), world.catalog)
        if described.call.digest != decided.described.call.digest:
            story.void = "tool_changed"
            raise refuse("approval_invalidated", 403, "What was approved has changed since. Ask again.", "request")
        await self._parts.tasks.bound(described, self._now())  # the same bytes may reach other datasets by now
        try:
            newer = self._decide(story, described, world)
        except Refused:
            story.void = "policy_denied"
            raise
        await holds.confirm(story.claim, newer)
        return newer

    async def _record(self, story: _Story, injection: Injection) -> int:
        assert story.arguments is not None
        record = account.decided(_known(story), injection, self._now())
        return await self._parts.recorder.append(record, story.arguments.salt)

    # --- refusals and endings ---------------------------------------------------------------------

    async def _refuse(self, story: _Story, refusal: Refusal) -> Reply:
        arrived = account.arrived_of(story.reached)
        self._parts.tasks.settle(arrived.call_id, sent=False)  # first: the agent may leave while we wait for the rest
        if arrived.entrance == "gateway":
            refusal = for_gateway(refusal)
        if story.claim is not None:  # shielded: it is given back even if the agent leaves meanwhile
            await asyncio.shield(self._later(self._give_back(story.claim, refusal.reason, story.void)))
        await self._record_refusal(lambda: self._account(story, refusal), story.arguments)
        wire = wire_of(arrived.request, story.world.catalog) if story.world is not None else Wire()
        return render(refusal, wire=wire, call_id=arrived.call_id, trace_id=story.trace.trace)

    def _account(self, story: _Story, refusal: Refusal) -> account.Section:
        record = account.refused(_known(story), refusal, self._now())
        proven = self._bound.get(account.arrived_of(story.reached).connection)
        return account.with_proof(record, proven) if proven is not None and "agent" not in record else record

    async def _record_refusal(self, record: Callable[[], account.Section], arguments: Redacted | None) -> None:
        """A refusal stands even when it cannot be written down; then at least the operator hears of it."""
        try:
            told = record()
            if "agent" not in told and not self._crowd.has_room(account.peer_of(told), self._now()):
                return
            await self._parts.recorder.append(told, arguments.salt if arguments is not None else b"")
        except AuditUnavailable as error:
            log.error("a refusal could not be recorded: %s", error)  # noqa: TRY400 - the log says itself what is wrong
        except Exception:  # a fault in our own account of a refusal is no reason to leave the agent without it
            log.exception("a refusal could not be recorded")

    async def _give_back(self, claim: Claim, why: str, void: str = "") -> None:
        """The approval's use; with `void`, the approval itself ends, for what was approved is no more."""
        try:
            await self._parts.holds.not_sent(claim, why)
            if void:
                await self._parts.holds.invalidate(claim.hold_id, void)
        except Exception:  # whatever it is: the call is refused, and what is reserved is settled by the sweep
            log.exception("the use of hold %s is not given back; the sweep will do it", claim.hold_id)

    def _abandon(self, story: _Story, cancelled: asyncio.CancelledError) -> None:
        """The agent left while its call was judged, or our own time ran out: nothing went upstream."""
        gone = Refusal("client_left", 499, "The client left before the call was judged.")
        if OUT_OF_TIME.reason in cancelled.args:
            gone = OUT_OF_TIME
        if story.claim is not None:
            self._later(self._give_back(story.claim, gone.reason, story.void))
        self._parts.tasks.settle(account.arrived_of(story.reached).call_id, sent=False)
        salt = story.arguments.salt if story.arguments is not None else b""
        self._parts.recorder.append_nowait(self._account(story, gone), salt)

    def _finish(self, answered: Answered) -> None:
        self._parts.recorder.append_nowait(account.completed(answered))
        claim, arrived = answered.released.claim, account.arrived_of(answered.released.decided)
        self._under_way.get(arrived.connection, {}).pop(arrived.call_id, None)
        self._parts.tasks.settle(arrived.call_id, sent=answered.sent)
        if claim is not None:
            self._later(self._close_claim(claim, answered))
        if answered.status == 401:
            self._parts.broker.rejected(answered.released, self._now())

    async def _close_claim(self, claim: Claim, answered: Answered) -> None:
        holds = self._parts.holds
        try:
            if answered.status:
                await holds.finished(claim, answered.status, answered.error)
            elif answered.sent:
                await holds.unknown(claim, answered.error)
            else:
                await holds.not_sent(claim, answered.error)
        except Exception:  # whatever it is: the call has ended, and a sweep or the next start settles its hold
            log.exception("the outcome of hold %s is not stored; the sweep will settle it", claim.hold_id)

    def _later(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _now(self) -> float:
        return self._parts.clock()


def _known(story: _Story) -> account.Known:
    catalog = story.world.catalog if story.world is not None else None
    txn = story.token.id if story.token is not None else ""
    return account.Known(story.reached, story.trace, story.arguments, story.claim, catalog, txn)


def _who(proven: Proven) -> tuple[str, str, str, str | None]:
    return proven.agent, proven.instance, proven.task, proven.on_behalf_of
