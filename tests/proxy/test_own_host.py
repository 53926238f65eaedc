"""What agents reach at the proxy's own host."""

import asyncio
from pathlib import Path

from proxy.own_host import OWN_HOST, own_reply
from proxy.stages import Identity, Reply, Request
from tests.fakes.delegations import caller
from tests.fakes.world import World, refund, run


def request(path: str) -> Request:
    return Request("GET", "https", OWN_HOST, 443, path, "", (("host", OWN_HOST),), b"")


async def told(request: Request, identity: Identity) -> Reply:
    return Reply(200, (), f"{request.path} for {identity.agent.id}".encode())


class Nothing:
    """No holds."""

    async def find(self, hold_id: str) -> None:
        return None

    async def withdraw(self, hold_id: str, agent: str) -> None:
        raise AssertionError


def test_an_endpoint_answers_at_exactly_its_path() -> None:
    """It is told who asks; another path is that of no endpoint."""

    async def story() -> None:
        own = {"/oauth2/token": told}
        holds = Nothing()
        reply = await own_reply(own, holds, request("/oauth2/token"), caller())  # type: ignore[arg-type]  # no holds
        assert reply.body == b"/oauth2/token for refund-bot"
        for path in ("/oauth2/token/", "/oauth2", "/OAUTH2/token", "/"):
            reply = await own_reply(own, holds, request(path), caller())  # type: ignore[arg-type]  # no holds
            assert reply.status == 404

    asyncio.run(story())


def test_holds_are_asked_about_as_ever(tmp_path: Path) -> None:
    """Through the whole path of a call: by the agent that asked, and nothing of it goes upstream."""

    async def scenario(world: World) -> None:
        hold = await world.held(refund())
        world.broken(own={"/v1/told": told})
        reply = await world.admit(request(f"/v1/holds/{hold}"))
        assert isinstance(reply, Reply)
        assert (reply.status, hold.encode() in reply.body) == (200, True)
        reply = await world.admit(request("/v1/told"))
        assert isinstance(reply, Reply)
        assert reply.body == b"/v1/told for support-bot"

    run(tmp_path, scenario)
