"""The kill switch: what is ended or frozen, and stopping more, in two steps of which the first changes nothing."""

from collections.abc import Iterable
from typing import Literal

from starlette.responses import RedirectResponse, Response

from proxy.console.forms import Form
from proxy.console.needs import Preview
from proxy.console.pages import Site, Visit
from proxy.errors import Declined
from proxy.tasks.interfaces import Revocation

MOST_CHOICES = 200  # more are typed, with the known ones offered
MOST_STANDING = 200
MOST_OVER = 50  # never lifted here
_SHOWN = 20

type Effect = Literal["revoke", "freeze"]


class KillSwitchPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, visit: Visit) -> Response:
        """What stands, and the form with which more is stopped."""
        asked = visit.request.query_params
        return await self._show(visit, kind=asked.get("kind", ""), name=asked.get("name", ""))

    async def confirm(self, visit: Visit, form: Form) -> Response:
        """What would stop, by name and number. Nothing is done yet."""
        kind, name = form.get("kind", ""), form.get("name", "").strip()
        scope = "global" if kind == "global" else f"{kind}:{name}"
        reason = form.get("reason", "").strip()
        try:
            effect = asked_effect(form)
            if not reason:
                raise Declined(422, "reason_required", "say why in a few words; it is written down")
            preview = await visit.desk.kill_switch.preview(scope)
        except Declined as declined:
            return await self._show(visit, kind=kind, name=name, reason=reason, declined=declined)
        return self._confirm(visit, preview, effect, reason)

    async def stop(self, visit: Visit, form: Form) -> Response:
        """It stops now, if what stands is still what was looked at."""
        scope, reason = form.get("scope", ""), form.get("reason", "")
        try:
            effect = asked_effect(form)
            preview = await visit.desk.kill_switch.preview(scope)
            if _done(preview.standing, effect, visit):
                return RedirectResponse("/kill-switch", 303)  # sent twice: the first did it
            if form.get("seen") != seen(*preview.standing):
                stale = Declined(409, "stale", "somebody has changed this meanwhile; look again, and decide then")
                return self._confirm(visit, preview, effect, reason, declined=stale)
            done = await visit.desk.kill_switch.stop(scope, effect, reason)
        except Declined as declined:
            kind, _, name = scope.partition(":")
            return await self._show(visit, kind=kind, name=name, reason=reason, declined=declined)
        if done.note:
            return await self._show(visit, note=f"{scope}: {done.note}")
        return RedirectResponse("/kill-switch", 303)

    async def lift(self, visit: Visit, form: Form) -> Response:
        """This end, or this freeze, is lifted, if it still stands as it was looked at."""
        scope = form.get("scope", "")
        try:
            effect = asked_effect(form)
            standing = await visit.desk.ending.standing(scope, effect)
            if standing and form.get("seen") != seen(*standing):
                raise Declined(409, "stale", "somebody has changed this meanwhile; look again, and decide then")
            await visit.desk.ending.lift(scope, form.get("reason", ""), effect)
        except Declined as declined:
            return await self._show(visit, declined=declined)
        return RedirectResponse("/kill-switch", 303)

    async def _show(self, visit: Visit, *, declined: Declined | None = None, note: str = "", **typed: str) -> Response:
        """The page; with what was typed, if it was not done, and with `note` if it was done but not all of it holds."""
        kinds = visit.desk.kill_switch.kinds()
        kind = typed["kind"] if typed.get("kind") in kinds else kinds[0]
        choices = await visit.desk.kill_switch.choices(kind)
        standing, more = await visit.desk.kill_switch.standing(MOST_STANDING, over=False)
        over, more_over = await visit.desk.kill_switch.standing(MOST_OVER, over=True)
        return self._site.render(
            "kill_switch.html",
            visit,
            status=declined.status if declined else 200,
            standing=[(one, seen(one.row)) for one in standing],
            more=more,
            over=[one.row for one in over],
            more_over=more_over,
            kinds=kinds,
            able=await visit.desk.kill_switch.able(),
            kind=kind,
            name=typed.get("name", ""),
            choices=choices,
            pick=0 < len(choices) <= MOST_CHOICES,
            reason=typed.get("reason", ""),
            declined=declined,
            note=note,
        )

    def _confirm(
        self, visit: Visit, preview: Preview, effect: Effect, reason: str, declined: Declined | None = None
    ) -> Response:
        kind, _, name = preview.scope.partition(":")
        return self._site.render(
            "kill_confirm.html",
            visit,
            status=declined.status if declined else 200,
            preview=preview,
            kind=kind,
            name=name,
            seen=seen(*preview.standing),
            effect=effect,
            reason=reason,
            most=_SHOWN,
            declined=declined,
        )


def seen(*rows: Revocation) -> str:
    """What a form says that its sender saw standing."""
    return " ".join(sorted(f"{row.kind}@{row.at}@{row.by}" for row in rows)) or "nothing"


def _done(standing: Iterable[Revocation], effect: Effect, visit: Visit) -> bool:
    return any(row.kind == effect and row.by == f"person:{visit.person.id}" for row in standing)


def asked_effect(form: Form) -> Effect:
    """Which of the two a form is about."""
    match form.get("effect", ""):
        case "revoke":
            return "revoke"
        case "freeze":
            return "freeze"
        case _:
            raise Declined(422, "effect_unknown", "say whether its calls are to be held or refused")
