"""Agents for programs: who answers for each, how it stands, and what lives under it. Dates are ISO 8601."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.control.agents import AgentCard
from proxy.control.desk import Desk
from proxy.control.paging import asked_limit


def agent_json(card: AgentCard) -> dict[str, Any]:
    """One agent. `standing` is empty, or a code for why none of its calls pass; `detail` says it in words.

    `review_due` counts what was attested, and is null where that must be done now. `restraint` says why its calls wait
    for a person, `deputy` who answers for it in the stead of an owner who left; both are empty otherwise.
    """
    agent = card.agent
    return {
        "id": agent.id,
        "purpose": agent.purpose,
        "owner": agent.owner,
        "owner_name": card.owner.name if card.owner else None,
        "technical_owner": agent.technical_owner,
        "deputies": [
            {"person": one.person, "start": one.start.isoformat(), "end": one.end.isoformat()} for one in agent.deputies
        ],
        "team": agent.team,
        "partner": agent.partner,
        "ticket": agent.ticket,
        "deployment": agent.deployment,
        "trust_zone": agent.trust_zone,
        "escalation": list(agent.escalation),
        "rollback": agent.rollback,
        "environment": agent.environment,
        "class": agent.agent_class,
        "standing": card.standing,
        "detail": card.detail or (card.ended.reason if card.ended else ""),
        "ended_by": card.ended.by if card.ended else None,
        "expires": agent.expires.isoformat(),
        "review_due": card.due.isoformat() if card.due else None,
        "restraint": card.restraint,
        "deputy": card.deputy,
        "identities": [{"issuer": one.issuer, "subject": one.subject} for one in agent.identities],
        "may_end": card.may_end,
        "may_lift": card.may_lift,
    }


async def list_agents(request: Request, desk: Desk) -> Response:
    limit = asked_limit(request)
    cards = desk.agents.list(after=request.query_params.get("after", ""), limit=limit)
    more = {"next": cards[-1].agent.id} if len(cards) == limit else {}
    return JSONResponse({"agents": [agent_json(card) for card in cards]} | more)


async def show_agent(request: Request, desk: Desk) -> Response:
    card = desk.agents.get(request.path_params["id"])
    handles = await desk.handles.list(agent=card.agent.id, live=True)
    tasks = await desk.tasks.list(agent=card.agent.id, live=True)
    of_handle, of_task = ("id", "task", "purpose", "on_behalf_of", "not_after"), ("id", "purpose", "state", "deadline")
    more = {
        "handles": [{name: getattr(row, name) for name in of_handle} for row in handles],
        "tasks": [{name: getattr(task, name) for name in of_task} for task in tasks],
    }
    return JSONResponse(agent_json(card) | more)
