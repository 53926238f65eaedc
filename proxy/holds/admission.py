"""A held call at the gate: it joins or makes the one hold of its action, waits a little, and is let
through with the approval's one use, or told how the matter stands."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace

from policies.model import Json, Outcome, Requirement
from proxy.errors import CountersignError, Refused, refuse
from proxy.facts import owner_named
from proxy.holds import answers
from proxy.holds.card import canonical, card_of, chain_digest, display_digest, moment
from proxy.holds.interfaces import HoldLimits, LimitReached, NewHold
from proxy.holds.ledger import Ledger
from proxy.holds.mistakes import HoldError
from proxy.holds.model import OPEN, ActionKey, Attempt, Hold, State
from proxy.holds.moves import GiveBack, Recheck, Reserve, Revoke
from proxy.holds.rules import satisfied
from proxy.holds.sealing import Sealer
from proxy.stages import Claim, Decided, Identity
from telemetry.errors import AuditUnavailable
from telemetry.ids import new_id

DECIDE_CAP = 7 * 86_400
USE_CAP = 4 * 3600


@dataclass(frozen=True, slots=True)
class HoldOptions:
    """`inline_wait` is for a client that says nothing; `Prefer: wait=N` may ask for up to `inline_wait_cap`.

    `node` names this gate, the same after a restart. A denial is remembered for `denial_memory`, and
    how else a hold ended is told once within `ending_memory`. An attempt that is not sent within
    `reservation_life` loses its reservation; one without an outcome after `sent_life` is unknown.
    """

    inline_wait: float = 4.0
    inline_wait_cap: float = 50.0
    open_per_agent: int = 10
    new_per_minute: int = 6
    denial_memory: float = 86_400.0
    ending_memory: float = 3600.0
    reservation_life: float = 30.0
    sent_life: float = 86_400.0
    node: str = "gate-0"


class Admission:
    """Every way out of `admit` is a claim that nobody else has, or a refusal."""

    def __init__(self, ledger: Ledger, sealer: Sealer, options: HoldOptions) -> None:
        self._ledger = ledger
        self._sealer = sealer
        self._options = options
        self._limits = HoldLimits(options.open_per_agent, options.new_per_minute)
        self._background: set[asyncio.Task[None]] = set()

    async def admit(self, decided: Decided, *, prefer_wait: float | None) -> Claim:
        """The reserved use of an approval for this call, or `Refused`."""
        if decided.decision.outcome is not Outcome.HOLD:
            raise RuntimeError(f"a call that is decided `{decided.decision.outcome}` is not held (this is a bug)")
        requirement = _requirement_of(decided)
        hold = await self._join_or_create(decided, requirement)
        until = asyncio.get_running_loop().time() + self._patience(prefer_wait)
        patient = True
        with self._ledger.waiters.watch(hold.id) as woken:
            while True:
                woken.clear()  # before looking, so that a change after the look still wakes us
                hold = await self._ledger.current(hold.id)
                if hold.state is State.APPROVED:
                    claim = await self._claim(hold, decided.described.attributed.arrived.call_id)
                    if claim is not None:
                        return claim
                elif hold.state in OPEN and patient:
                    patient = await self._wait(woken, until, hold)
                else:
                    raise await self._answer(hold, decided)

    async def confirm(self, claim: Claim, decided: Decided) -> None:
        """Refuses unless what was signed is enough for this newer decision on the same call.

        For a call that waited: policies may have asked for more people meanwhile.
        """
        if decided.decision.outcome is not Outcome.HOLD:
            return
        hold = await self._ledger.current(claim.hold_id)
        eligibility = self._ledger.eligibility(_asking(hold, _requirement_of(decided)))
        if _key_of(decided) != hold.key or not _aware(hold, decided) or not satisfied(eligibility, hold.approvals):
            raise refuse(
                "approval_requirements_changed",
                428,
                "What this call needs has changed while it waited. Send the identical request again: it then waits "
                "for whoever else must approve it.",
                "retry",
                internal=f"hold {hold.id} was approved under other clauses",
                extra={"hold_id": hold.id, "approval_status": "pending", "executed": False},
            )

    async def settle(self) -> None:
        """Wait for what was begun in the background: uses given back by calls that went away."""
        while self._background:
            begun = set(self._background)
            await asyncio.gather(*begun, return_exceptions=True)
            self._background -= begun  # if all have ended, gather waits for nothing, not even for their callbacks

    # --- joining or making a hold ----------------------------------------------------------------------

    async def _join_or_create(self, decided: Decided, requirement: Requirement) -> Hold:
        ledger, options = self._ledger, self._options
        key, task = _key_of(decided), decided.described.attributed.identity.proven.task
        now = ledger.clock()
        denial = await ledger.store.last_denial(key, task, now - options.denial_memory)
        if denial is not None:
            raise answers.ended(denial)
        latest = await ledger.store.latest_hold(key)
        if latest is not None:
            latest = await self._ended_if_unaware(await ledger.now(latest), decided)
            if latest.state in OPEN:
                return await self._rechecked(latest, requirement)
            if await self._still_to_tell(latest, now):
                raise answers.ended(latest)
        return await self._create(decided, requirement, key)

    async def _ended_if_unaware(self, hold: Hold, decided: Decided) -> Hold:
        """The hold; ended if it is from before what restrains the call now: whoever signs it does not read of that."""
        if hold.state not in {State.PENDING, State.APPROVED} or _aware(hold, decided):
            return hold
        try:
            return await self._ledger.insist(hold, Revoke("proxy", "restrained"))
        except HoldError:
            return await self._ledger.current(hold.id)  # somebody else ended it, or has used it

    async def _still_to_tell(self, hold: Hold, now: float) -> bool:
        """True if this hold's end is the answer to the same call sent again."""
        if hold.state is State.OUTCOME_UNKNOWN:
            return True
        told_once = {State.EXPIRED, State.LAPSED, State.REVOKED, State.CANCELLED, State.INVALIDATED}
        recent = hold.closed_at is not None and now - hold.closed_at <= self._options.ending_memory
        if hold.state not in told_once or hold.closed_reason == "withdrawn" or not recent:
            return False
        return await self._ledger.store.mark_told(hold.id, now)

    async def _create(self, decided: Decided, requirement: Requirement, key: ActionKey) -> Hold:
        ledger = self._ledger
        executed = await ledger.store.last_executed(key)
        card = card_of(decided, requirement, ledger.inventory(), executed)
        hold = _new_hold(decided, requirement, key, display_digest(card), ledger.clock())
        identity = decided.described.attributed.identity
        facts: dict[str, Json] = {
            "call": decided.described.attributed.arrived.call_id,
            "chain": key.chain_digest,
            "decide_by": moment(hold.decide_by),
            "rules": list(requirement.rules),
        }
        # what is asked for outlives the connection on which it was asked
        touched = (scope for scope in decided.scopes if not scope.startswith("connection:"))
        scopes = ("global", *identity.scopes, *touched)
        new = NewHold(hold, self._sealer.seal(canonical(card), hold.id), scopes, facts)
        stored = await ledger.store.create_hold(new, self._limits)
        if isinstance(stored, LimitReached):
            raise answers.over_limit(stored)
        if stored.id == hold.id:
            await ledger.publish(hold.id)
        return stored

    # --- waiting ---------------------------------------------------------------------------------------------

    def _patience(self, prefer_wait: float | None) -> float:
        wanted = self._options.inline_wait if prefer_wait is None else prefer_wait
        return max(0.0, min(wanted, self._options.inline_wait_cap))

    async def _wait(self, woken: asyncio.Event, until: float, hold: Hold) -> bool:
        """Until the hold may have changed; False when the time to wait is over."""
        left = until - asyncio.get_running_loop().time()
        if hold.state is State.PENDING:
            left = min(left, hold.decide_by - self._ledger.clock())
        try:
            async with asyncio.timeout(left):
                await woken.wait()
        except TimeoutError:
            return False
        return True

    async def _answer(self, hold: Hold, decided: Decided) -> Refused:
        if hold.state is State.PENDING:
            request = decided.described.attributed.arrived.request
            line = f"{request.method} {request.authority}{request.path}"
            return answers.parked(hold, line, [restraint.reason for restraint in decided.restraints])
        if hold.state not in {State.RELEASING, State.EXECUTED}:
            await self._ledger.store.mark_told(hold.id, self._ledger.clock())
        return answers.ended(hold)

    # --- taking the one use --------------------------------------------------------------------------------------

    async def _rechecked(self, hold: Hold, requirement: Requirement | None = None) -> Hold:
        """The hold after what the world has done to the ground that it stands on."""
        while hold.state in {State.PENDING, State.APPROVED}:
            asked = hold if requirement is None else _asking(hold, requirement)
            found = self._ledger.recheck_of(asked)
            moved = await self._ledger.move(
                hold, Recheck(found.owner, asked.requirement, found.eligibility, found.active)
            )
            if moved is not None:
                return moved
            hold = await self._ledger.current(hold.id)
        return hold

    async def _claim(self, hold: Hold, call_id: str) -> Claim | None:
        """The reserved use; None if there is none to have: look at the hold again."""
        hold = await self._rechecked(hold)
        if hold.state is not State.APPROVED:
            return None
        await self._ledger.publish(hold.id)  # what people decided is on record before it has an effect
        attempt = new_id("att")
        reserving = asyncio.ensure_future(self._ledger.move(hold, Reserve(attempt, self._options.node, call_id)))
        kept = False
        try:
            reserved = await asyncio.shield(reserving)
            kept = True
        finally:
            if not kept:  # the caller went away, or the record failed: then the use is nobody's
                self._later(self._give_back(reserving, hold.id, attempt))
        if reserved is None or _attempt(reserved, attempt) is None:
            return None
        return Claim(hold.id, attempt, tuple(sorted(reserved.approvals)))

    async def _give_back(self, reserving: asyncio.Future[Hold | None], hold_id: str, attempt: str) -> None:
        await asyncio.wait([reserving])
        try:
            while True:
                hold = await self._ledger.current(hold_id)
                if _attempt(hold, attempt) is None or await self._ledger.move(hold, GiveBack(attempt, "client left")):
                    return
        except (CountersignError, AuditUnavailable):
            return  # the sweep gives it back when the store answers again

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _requirement_of(decided: Decided) -> Requirement:
    requirement = decided.decision.requirement
    if requirement is None or not requirement.clauses:
        raise refuse(
            "approval_impossible",
            403,
            "This call needs a human approval that nobody is named to give, so it is refused. Report it.",
            internal="the decision is hold, and its requirement names no clause",
        )
    return requirement


def _key_of(decided: Decided) -> ActionKey:
    identity = decided.described.attributed.identity
    chain = chain_digest(identity.chain, _own_instance(identity))
    return ActionKey(identity.agent.id, chain, decided.described.call.digest)


def _own_instance(identity: Identity) -> str:
    """The running copy that calls, if another owner than the agent's is named for it."""
    agent, instance = identity.agent, identity.proven.instance
    return instance if owner_named(agent, instance) != agent.owner else ""


def _new_hold(decided: Decided, requirement: Requirement, key: ActionKey, display: str, now: float) -> Hold:
    described = decided.described
    identity, call = described.attributed.identity, described.call
    root = identity.chain.root
    bounded = Requirement(
        clauses=requirement.clauses,
        decide_within=min(requirement.decide_within, DECIDE_CAP),
        use_within=min(requirement.use_within, USE_CAP),
        reasons=requirement.reasons,
        rules=requirement.rules,
        rollback=requirement.rollback,
    )
    return Hold(
        id=new_id("hld"),
        key=key,
        task=identity.proven.task,
        root=root.id if root.kind == "human" else "",
        service=call.service.id,
        operation=call.operation,
        datasets=tuple(dict.fromkeys(use.dataset for use in call.datasets)),
        owner=identity.owner.id,
        instance=_own_instance(identity),
        display_digest=display,
        policy_version=decided.decision.policy_version,
        requirement=bounded,
        created_at=now,
        # no approval outlives the credential that asked for it
        decide_by=min(now + bounded.decide_within, identity.proven.not_after),
    )


def _aware(hold: Hold, decided: Decided) -> bool:
    """Whether people who sign this hold read of all that restrains the call now.

    It must have been asked for since, and for these reasons: a review can fall due between a signature and its use.
    """
    return all(
        hold.created_at > restraint.since and restraint.reason in hold.requirement.rules
        for restraint in decided.restraints
    )


def _asking(hold: Hold, requirement: Requirement) -> Hold:
    return replace(hold, requirement=requirement)


def _attempt(hold: Hold, attempt_id: str) -> Attempt | None:
    return next((attempt for attempt in hold.attempts if attempt.id == attempt_id), None)
