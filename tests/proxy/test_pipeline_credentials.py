"""What is obtained for a call on the path: one credential for each delegation, and a new one where it is not taken."""

from collections.abc import Iterator

import pytest

from tests.fakes.authorities import OAuthServer
from tests.fakes.world import INVENTORY, get, run


@pytest.fixture
def server(monkeypatch) -> Iterator[OAuthServer]:
    """An authorization server, whose client's secret we know."""
    with OAuthServer() as server:
        monkeypatch.setenv("OAUTH_SECRET", server.secret)
        yield server


def obtaining(server: OAuthServer) -> str:
    """The inventory with a token of this server in place of the key."""
    binding = (
        f"id: crm-token, kind: oauth_client_credentials, token_url: '{server.url}/token', client_id: countersign, "
        "secret: 'env:OAUTH_SECRET', unsafe_http_loopback: true"
    )
    return INVENTORY.replace('id: crm-key, secret: "file:SECRET_FILE"', binding)


def token_of(released) -> str:
    return released.upstream.header("authorization")


def test_two_humans_behind_one_agent_share_nothing(tmp_path, server):
    """One agent, one service, one task: the token of one person's calls is never used for another's."""

    async def scenario(house):
        tokens = {}
        for person in ("alice", "olivia", "alice", "olivia"):
            given = await house.evidence(person=person, task="task-1")
            released = await house.released(get(), evidence=given, connection=f"conn_{person}")
            tokens.setdefault(person, set()).add(token_of(released))
            house.answer(released)
        assert [len(each) for each in tokens.values()] == [1, 1]
        assert not tokens["alice"] & tokens["olivia"]
        assert len(server.seen) == 2

    run(tmp_path, scenario, inventory=obtaining(server))


def test_a_token_that_the_service_does_not_take_is_obtained_anew(tmp_path, server):
    """After a 401 the next call has another one, while an answer of any other kind says nothing of it."""

    async def scenario(house):
        given = await house.evidence()

        async def token(status: int) -> str:
            released = await house.released(get(), evidence=given)
            house.answer(released, status=status)
            return token_of(released)

        first = await token(200)
        house.clock.now += 31
        await house.hear()
        assert await token(403) == first
        assert await token(401) == first
        second = await token(401)
        assert second != first
        assert await token(200) == second  # not each 401 takes a new one

    run(tmp_path, scenario, inventory=obtaining(server))


def test_a_key_that_is_configured_is_not_doubted(tmp_path):
    """There is no other one to be had."""

    async def scenario(house):
        given = await house.evidence()
        for _ in range(2):
            released = await house.released(get(), evidence=given)
            house.answer(released, status=401)

    run(tmp_path, scenario)
