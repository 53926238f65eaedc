"""Every door of the control process, and who gets through it."""

import asyncio

import pytest
from starlette.routing import Route

from tests.fakes.control_house import House

# One line a door. A new route fails the test below until it is written here, with who may use it.
#   open: anybody on the port · local: this machine · member: a person or the operator
#   person: a person · operator: the local operator
DOORS = {
    ("GET", "/healthz"): "open",
    ("GET", "/readyz"): "open",
    ("GET", "/metrics"): "local",
    ("GET", "/openapi.json"): "open",
    ("GET", "/.well-known/jwks.json"): "open",
    ("POST", "/v1/handles"): "operator",
    ("GET", "/v1/handles"): "member",
    ("POST", "/v1/handles/{id}/revoke"): "member",
    ("GET", "/v1/agents"): "member",
    ("GET", "/v1/agents/{id}"): "member",
    ("POST", "/v1/tasks"): "member",
    ("GET", "/v1/tasks"): "member",
    ("GET", "/v1/tasks/{id}"): "member",
    ("POST", "/v1/tasks/{id}/complete"): "member",
    ("POST", "/v1/tasks/{id}/suspend"): "member",
    ("POST", "/v1/tasks/{id}/resume"): "member",
    ("GET", "/v1/holds"): "member",
    ("GET", "/v1/holds/{id}"): "member",
    ("POST", "/v1/holds/{id}/approve"): "person",
    ("POST", "/v1/holds/{id}/deny"): "person",
    ("POST", "/v1/holds/{id}/revoke"): "person",
    ("POST", "/v1/holds/{id}/reconcile"): "person",
    ("POST", "/v1/revocations"): "member",
    ("GET", "/v1/revocations"): "member",
    ("DELETE", "/v1/revocations"): "member",
    ("POST", "/v1/people/{id}/tokens"): "operator",
    ("POST", "/v1/people/{id}/sign-in-links"): "operator",
    ("POST", "/v1/people/{id}/sign-out"): "member",
    ("POST", "/v1/people/{id}/deactivate"): "operator",
    ("POST", "/v1/people/{id}/activate"): "operator",
    ("POST", "/v1/keys/{use}/rotate"): "operator",
    ("GET", "/v1/reviews"): "member",
    ("GET", "/v1/reviews/{what}"): "member",
    ("POST", "/v1/reviews/{what}/attest"): "person",
    ("POST", "/v1/reviews/{what}/end"): "member",
    ("GET", "/v1/inventory"): "member",
    ("PUT", "/v1/inventory/{source}"): "operator",
    ("GET", "/v1/calls"): "member",
    ("GET", "/v1/calls/{id}"): "member",
    ("GET", "/v1/transactions/{id}"): "member",
    ("GET", "/v1/events"): "member",
    ("GET", "/v1/status"): "member",
}
UNPROVEN = [door for door, who in DOORS.items() if who not in {"open", "local"}]


def doors_of(house: House) -> set[tuple[str, str]]:
    found = set()
    for route in house.app.routes:
        assert isinstance(route, Route)
        found |= {(method, route.path) for method in (route.methods or set()) - {"HEAD"}}
    return found


def test_every_route_is_listed_with_its_permission(house: House) -> None:
    """The table above names exactly the routes that exist."""
    assert doors_of(house) == set(DOORS)


@pytest.mark.parametrize(("method", "path"), UNPROVEN, ids=lambda part: part)
def test_nobody_gets_through_unproven(house: House, method: str, path: str) -> None:
    """Without a credential, with a wrong one, and with `Countersign-As` from the network, each door stays shut."""

    async def scenario() -> None:
        place = path.replace("{id}", "x")
        for headers, status in (
            ({"authorization": "Bearer nothing"}, 401),
            ({"authorization": "Bearer csp_" + "A" * 43}, 401),
            ({"authorization": "Basic YTpi"}, 401),
            ({"origin": "http://127.0.0.1:8700"}, 401),
            ({"origin": "http://127.0.0.1:8700", "countersign-as": "alice"}, 403),
            ({"origin": "http://127.0.0.1:8700", "cookie": "countersign_session=css_" + "A" * 43}, 401),
        ):
            async with house.client(**headers) as client:
                answer = await client.request(method, place, json={} if method != "GET" else None)
            assert answer.status_code == status, (headers, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
        assert house.log.records == []

    asyncio.run(scenario())


@pytest.mark.parametrize(("method", "path"), [door for door, who in DOORS.items() if who == "operator"])
def test_the_operators_doors_are_shut_to_people(house: House, method: str, path: str) -> None:
    """A signed-in person, an auditor, and the operator acting as a person do not pass an operator's door."""

    async def scenario() -> None:
        for client in (
            await house.person("alice"),
            await house.person("carol"),
            house.operator(**{"countersign-as": "alice"}),
        ):
            async with client:
                answer = await client.request(method, path.replace("{id}", "alice"), json={"agent": "support-bot"})
            assert (answer.status_code, answer.json()["code"]) == (403, "operator_required")
        assert house.log.records == []

    asyncio.run(scenario())


@pytest.mark.parametrize(("method", "path"), [door for door, who in DOORS.items() if who == "person"])
def test_the_operator_alone_decides_nothing(house: House, method: str, path: str) -> None:
    """The operator must say as whom: without a person there is no vote."""

    async def scenario() -> None:
        view = await house.hold()
        async with house.operator() as client:
            body = {"action_digest": view.action_digest, "row_version": view.row_version, "reason": "x"}
            answer = await client.request(method, path.replace("{id}", view.id), json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "person_required")
        assert (await house.holds.get(view.id)).votes == ()

    asyncio.run(scenario())
