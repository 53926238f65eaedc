"""The agents that a person may see; and ending or freezing one, which takes effect at once."""

from collections.abc import Awaitable, Callable

from starlette.responses import RedirectResponse, Response

from proxy.console.forms import Form
from proxy.console.kill_switch_pages import asked_effect
from proxy.console.pages import Site, Visit
from proxy.errors import Declined

MOST = 200


class AgentPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self, visit: Visit) -> Response:
        """Each agent with who answers for it and how it stands, a page at a time."""
        cards = visit.desk.agents.list(after=visit.request.query_params.get("after", ""), limit=MOST)
        last = cards[-1].agent.id if len(cards) == MOST else ""
        return self._site.render("agents.html", visit, cards=cards, last=last)

    async def one(self, visit: Visit) -> Response:
        """One agent: its facts, its live handles, its last calls, and the lever that ends it."""
        return await self._one(visit)

    async def end(self, visit: Visit, form: Form) -> Response:
        """Every call of this agent is refused from now on, and open connections are cut."""
        return await self._act(visit, form, visit.desk.ending.revoke)

    async def freeze(self, visit: Visit, form: Form) -> Response:
        """Every call of this agent that policy allows waits for sign-off from now on, and open streams are cut."""
        return await self._act(visit, form, visit.desk.ending.freeze)

    async def lift(self, visit: Visit, form: Form) -> Response:
        """The end, or the freeze, that the page showed is lifted."""

        async def lifted(scope: str, reason: str) -> None:
            await visit.desk.ending.lift(scope, reason, asked_effect(form))

        return await self._act(visit, form, lifted)

    async def _act(self, visit: Visit, form: Form, act: Callable[[str, str], Awaitable[object]]) -> Response:
        agent_id = visit.request.path_params["id"]
        try:
            await act(f"agent:{agent_id}", form.get("reason", ""))
        except Declined as declined:
            return await self._one(visit, declined)
        return RedirectResponse(f"/agents/{agent_id}", 303)

    async def _one(self, visit: Visit, declined: Declined | None = None) -> Response:
        agent_id = visit.request.path_params["id"]
        card = visit.desk.agents.get(agent_id)
        return self._site.render(
            "agent.html",
            visit,
            status=declined.status if declined else 200,
            card=card,
            handles=await visit.desk.handles.list(agent=agent_id, live=True),
            stories=await visit.desk.calls.recent(limit=10, agent=agent_id),
            declined=declined,
        )
