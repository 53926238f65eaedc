"""Held calls, as one caller may see and decide them."""

from collections.abc import Collection
from typing import Literal

from proxy.control.callers import Caller, may_see_agent, signer
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps
from proxy.errors import Declined
from proxy.facts import Person
from proxy.holds.mistakes import HoldNotFound
from proxy.holds.model import State, VoteDecision
from proxy.holds.view import HoldView


def unknown() -> Declined:
    """Unknown and not visible are one answer."""
    return Declined(404, "hold_unknown", "there is no such hold, or it is not yours to see")


class SignOff:
    """The queue, one hold, and a vote."""

    def __init__(self, caller: Caller, deps: ControlDeps, journal: Journal) -> None:
        self._caller = caller
        self._deps = deps
        self._journal = journal

    async def list(self, state: Literal["pending", "all"] = "pending") -> list[HoldView]:
        """What waits (soonest end first), or everything (newest first), as far as this caller may see it."""
        views = await self._deps.holds.list(State.PENDING if state == "pending" else None)
        seen = [view for view in views if self.sees(view)]
        return sorted(seen, key=lambda view: view.decide_by) if state == "pending" else seen

    async def get(self, hold_id: str) -> HoldView:
        """This hold. Unknown and not visible are the same answer."""
        try:
            view = await self._deps.holds.get(hold_id)
        except HoldNotFound:
            raise unknown() from None
        if not self.sees(view):
            raise unknown()
        return view

    async def vote(
        self,
        hold_id: str,
        decision: VoteDecision,
        *,
        row_version: int,
        action_digest: str,
        display_digest: str = "",
        reason: str = "",
    ) -> HoldView:
        """The hold after this person's vote on exactly what they looked at.

        An empty `display_digest` means that the card was not shown by us; that is written down.
        """
        person = self._person()
        view = await self.get(hold_id)
        if _already(view, person.id, decision, action_digest):
            return view  # a double click: one vote, the same answer
        _check(view, person.id, (row_version, action_digest, display_digest or view.display_digest))
        why = required_reason(reason) if decision == "deny" or reason.strip() else ""
        shown = display_digest or "not shown by us"
        await self._received(view, decision, why, f"display={shown}")
        return await self._deps.holds.vote(
            hold_id,
            person.id,
            decision,
            reason=why,
            row_version=row_version,
            action_digest=action_digest,
            channel=self._caller.channel,
            assurance=self._caller.assurance,
            now=self._deps.clock(),
        )

    async def take_back(self, hold_id: str, reason: str) -> HoldView:
        """The hold, ended before its call was made: what was approved is not any more."""
        person, why = self._person(), required_reason(reason)
        view = await self._answerable(hold_id, person.id, {State.PENDING, State.APPROVED, State.RELEASING})
        await self._received(view, "revoke", why)
        return await self._deps.holds.revoke(hold_id, person.id, reason=why, now=self._deps.clock())

    async def reconcile(self, hold_id: str, *, executed: bool, evidence: str) -> HoldView:
        """The hold whose outcome nobody knew, with what this person found out; the agent may go on from there."""
        person, how = self._person(), required_reason(evidence)
        view = await self._answerable(hold_id, person.id, {State.OUTCOME_UNKNOWN})
        await self._received(view, "executed" if executed else "not_executed", how)
        return await self._deps.holds.reconcile(
            hold_id, person.id, executed=executed, evidence=how, now=self._deps.clock()
        )

    def sees(self, view: HoldView) -> bool:
        """True for those who answer for the agent, who may or did decide, auditors, and the operator."""
        caller, deps = self._caller, self._deps
        if may_see_agent(caller, view.agent, deps.inventory(), deps.auditors, deps.clock()):
            return True
        if caller.person is None or not caller.person.active:
            return False
        asked = {person for need in view.needs for person in need.people}
        return caller.person.id in asked | {view.answers} | {vote.person for vote in view.votes}

    def _person(self) -> Person:
        return signer(self._caller, operator_may_sign=self._deps.operator_may_sign)

    async def _answerable(self, hold_id: str, person: str, states: Collection[State]) -> HoldView:
        """Refuses early, and before anything is written, what the service would refuse as well."""
        view = await self.get(hold_id)
        if view.state not in states:
            raise Declined(409, "already_decided", f"there is nothing to say about it: it is {view.state.value}")
        if not view.answerable_by(person):
            raise Declined(403, "not_eligible", "only its accountable owner, or someone who could approve it, may")
        return view

    async def _received(self, view: HoldView, kind: str, why: str, *more: str) -> None:
        """On record before it counts, with how this person was proven and what they looked at."""
        looked_at = [f"action={view.action_digest}", *more, f"row_version={view.row_version}"]
        await self._journal.write("approval.vote_received", f"hold:{view.id}", kind=kind, reason=why, details=looked_at)


def _check(view: HoldView, person: str, looked_at: tuple[int, str, str]) -> None:
    """Refuses early, and before anything is written, what the service would refuse as well."""
    if view.state is not State.PENDING:
        raise Declined(409, "already_decided", f"this call is no longer waiting: it is {view.state.value}")
    if looked_at != (view.row_version, view.action_digest, view.display_digest):
        raise Declined(409, "stale", "this has changed since you looked at it: look again, then decide")
    if person not in view.may_decide:
        if any(vote.person == person and vote.standing != "void" for vote in view.votes):
            raise Declined(403, "not_eligible", "you have answered this call already; an approval can be taken back")
        who = ", ".join(view.may_decide) or "nobody at the moment"
        raise Declined(403, "not_eligible", f"you may not decide this call; who may: {who}")


def _already(view: HoldView, person: str, decision: VoteDecision, action_digest: str) -> bool:
    """True if this person's same answer to the same action already counts."""
    same = (person, decision, action_digest, "counted")
    return any((vote.person, vote.decision, vote.action_digest, vote.standing) == same for vote in view.votes)
