"""Held calls, as one caller may see and decide them."""

from dataclasses import dataclass
from typing import Literal

from proxy.control.callers import Caller, may_see_agent
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps
from proxy.errors import Declined
from proxy.holds.mistakes import HoldNotFound
from proxy.holds.model import State, VoteDecision
from proxy.holds.view import HoldView

def unknown() -> Declined:
    """Unknown and not visible are one answer."""
    return Declined(404, "hold_unknown", "there is no such hold, or it is not yours to see")


@dataclass(frozen=True, slots=True)
class Ballot:
    """A decision on exactly what was looked at. An empty `display_digest` means: not shown by us."""

    decision: VoteDecision
    row_version: int
    action_digest: str
    reason: str = ""
    display_digest: str = ""


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

    async def vote(self, hold_id: str, ballot: Ballot) -> HoldView:
        """The hold after this person's vote on exactly what they were shown."""
        person = self._caller.person
        if person is None:
            raise Declined(403, "person_required", "only a person can decide: say as whom, with `Countersign-As`")
        view = await self.get(hold_id)
        if _already(view, person.id, ballot):
            return view  # a double click: one vote, the same answer
        self._check(view, person.id, ballot)
        reason = required_reason(ballot.reason) if ballot.decision == "deny" or ballot.reason.strip() else ""
        await self._journal.write(
            "approval.vote_received",
            f"hold:{hold_id}",
            kind=ballot.decision,
            reason=reason,
            details=[
                f"action={view.action_digest}",
                f"display={ballot.display_digest or 'not shown by us'}",
                f"row_version={view.row_version}",
            ],
        )
        return await self._deps.holds.vote(
            hold_id,
            person.id,
            ballot.decision,
            reason=reason,
            row_version=ballot.row_version,
            action_digest=ballot.action_digest,
            channel=self._caller.channel,
            assurance=self._caller.assurance,
            now=self._deps.clock(),
        )

    def sees(self, view: HoldView) -> bool:
        """True for those who answer for the agent, who may or did decide, auditors, and the operator."""
        caller, deps = self._caller, self._deps
        if may_see_agent(caller, view.agent, deps.inventory(), deps.auditors, deps.clock()):
            return True
        if caller.person is None or not caller.person.active:
            return False
        asked = {person for need in view.needs for person in need.people}
        return caller.person.id in asked | {vote.person for vote in view.votes}

    def _check(self, view: HoldView, person: str, ballot: Ballot) -> None:
        """Refuses early, and before anything is written, what the service would refuse as well."""
        if view.state is not State.PENDING:
            raise Declined(409, "already_decided", f"this call is no longer waiting: it is {view.state.value}")
        changed = (ballot.row_version, ballot.action_digest) != (view.row_version, view.action_digest)
        if changed or ballot.display_digest not in {"", view.display_digest}:
            raise Declined(409, "stale", "this has changed since you looked at it: look again, then decide")
        if person not in view.may_decide:
            raise Declined(403, "not_eligible", "you may not decide this call, or you have already done so")


def _already(view: HoldView, person: str, ballot: Ballot) -> bool:
    """True if this person's same answer to the same action already counts."""
    return any(
        vote.person == person
        and vote.standing == "counted"
        and (vote.decision, vote.action_digest) == (ballot.decision, ballot.action_digest)
        for vote in view.votes
    )
