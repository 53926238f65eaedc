"""The queue, and the card on which a person decides one held call."""

from collections.abc import Awaitable, Sequence
from typing import Any, Literal

from starlette.responses import RedirectResponse, Response

from proxy.console import words
from proxy.console.chains import of_card
from proxy.console.forms import Form
from proxy.console.pages import Site, Visit, told
from proxy.console.task_pages import task_behind
from proxy.console.values import rows_of
from proxy.errors import Declined
from proxy.holds.mistakes import HoldError
from proxy.holds.model import State
from proxy.holds.view import HoldView

_STALE = frozenset({"stale", "already_decided"})


class HoldPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def queue(self, visit: Visit) -> Response:
        """What waits, soonest end first; what this person can decide before what they can only watch."""
        waiting = await visit.desk.sign_off.list("pending")
        mine = [view for view in waiting if visit.person.id in view.may_decide]
        others = [view for view in waiting if visit.person.id not in view.may_decide]
        closed = [view for view in await visit.desk.sign_off.list("all") if view.state is not State.PENDING][:8]
        return self._site.render(
            "queue.html", visit, mine=_lines(mine), others=_lines(others), closed=_lines(closed), waiting=len(waiting)
        )

    async def card(self, visit: Visit) -> Response:
        """Everything that there is to know before deciding."""
        view = await visit.desk.sign_off.get(visit.request.path_params["id"])
        return await self._card(visit, view)

    async def approve(self, visit: Visit, form: Form) -> Response:
        """This exact call may run once, if what was looked at is what there is."""
        return await self._decide(visit, form, "approve")

    async def deny(self, visit: Visit, form: Form) -> Response:
        """This call is refused, for a reason."""
        return await self._decide(visit, form, "deny")

    async def take_back(self, visit: Visit, form: Form) -> Response:
        """What was approved and is not used yet is not approved any more."""
        hold_id = visit.request.path_params["id"]
        return await self._answer(visit, form, visit.desk.sign_off.take_back(hold_id, form.get("reason", "")))

    async def reconcile(self, visit: Visit, form: Form) -> Response:
        """Whether a call happened of which nobody knew; by the button that was pressed, and by no other."""
        hold_id, happened = visit.request.path_params["id"], form.get("executed", "")
        if happened not in {"yes", "no"}:
            raise Declined(422, "invalid", "say whether it happened")
        said = visit.desk.sign_off.reconcile(hold_id, executed=happened == "yes", evidence=form.get("reason", ""))
        return await self._answer(visit, form, said)

    async def _answer(self, visit: Visit, form: Form, said: Awaitable[HoldView]) -> Response:
        hold_id = visit.request.path_params["id"]
        try:
            await said
        except (Declined, HoldError) as refused:
            view = await visit.desk.sign_off.get(hold_id)
            return await self._card(visit, view, declined=told(refused), typed=form.get("reason", ""))
        return RedirectResponse(f"/holds/{hold_id}", 303)

    async def _decide(self, visit: Visit, form: Form, decision: Literal["approve", "deny"]) -> Response:
        hold_id = visit.request.path_params["id"]
        version, action, display = (form.get(name, "") for name in ("row_version", "action_digest", "display_digest"))
        reason = ": ".join(part for name in ("preset", "reason") if (part := form.get(name, "").strip()))
        try:
            if not version.isdecimal() or len(version) > 9 or not action or not display:
                raise Declined(409, "stale", "the form was not complete")
            await visit.desk.sign_off.vote(
                hold_id,
                decision,
                row_version=int(version),
                action_digest=action,
                display_digest=display,
                reason=reason,
            )
        except (Declined, HoldError) as refused:
            view = await visit.desk.sign_off.get(hold_id)
            return await self._card(visit, view, declined=told(refused), typed=form.get("reason", ""))
        return RedirectResponse(f"/holds/{hold_id}", 303)

    async def _card(
        self, visit: Visit, view: HoldView, *, declined: Declined | None = None, typed: str = ""
    ) -> Response:
        """The card as it is now. After a refusal it says first that nothing was decided, and why."""
        everything = await visit.desk.sign_off.list("all")
        lately = [
            other
            for other in everything
            if other.id != view.id and (other.agent, other.operation) == (view.agent, view.operation)
        ]
        person = visit.person.id
        return self._site.render(
            "card.html",
            visit,
            status=declined.status if declined else 200,
            view=view,
            card=view.card,
            rows=rows_of(_arguments(view)),
            parties=of_card(view.card.get("chain")),
            task=await task_behind(visit, view.card.get("task")),
            lately=[other for other in lately if other.state is not State.PENDING][:5],
            may=person in view.may_decide,
            answers=view.answerable_by(person),
            voted=next((vote for vote in view.votes if vote.person == person), None),
            declined=declined,
            changed=declined is not None and declined.code in _STALE,
            typed=typed,
            waiting=[other.id for other in everything if other.state is State.PENDING and person in other.may_decide],
            needed=sum(need.at_least for need in view.needs),
        )


def _lines(views: Sequence[HoldView]) -> list[dict[str, Any]]:
    """One line a hold; the template says so, and by how much, when it cuts one."""
    lines = []
    for view in views:
        effect = str(view.card.get("effect", "")) or f"{view.operation} (the card cannot be opened)"
        lines.append(
            {
                "view": view,
                "effect": effect,
                "kind": str(view.card.get("effect_class", "unknown")),
                "for": view.card.get("on_behalf_of"),
                "environment": _environment(view),
                "grave": str(view.card.get("effect_class", "unknown")) in words.GRAVE,
            }
        )
    return lines


def _environment(view: HoldView) -> str:
    where = view.card.get("where")
    return str(where.get("environment", "")) if isinstance(where, dict) else ""


def _arguments(view: HoldView) -> dict[str, Any]:
    arguments = view.card.get("arguments")
    return arguments if isinstance(arguments, dict) else {}
