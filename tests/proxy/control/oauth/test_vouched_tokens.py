"""What was obtained with a token that a cluster vouched for ends when the cluster says no: a pod that was deleted."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from proxy.control.oauth.own_host import own_endpoints
from proxy.errors import Refused
from proxy.facts import Subject
from proxy.identity.clusters import ClusterSettings
from proxy.own_host import OWN_HOST
from proxy.stages import Evidence, Identity, Request
from tests.fakes.cluster import ACCOUNT, CLUSTER, US, ApiServer, account_token, wait_for_answers
from tests.fakes.token_house import TokenHouse, details, good

POD = account_token()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server that knows the bot's pod."""
    wait_for_answers(monkeypatch)
    with ApiServer() as one:
        one.good.add(POD)
        yield one


@pytest.fixture
def house(tmp_path: Path, cluster: ApiServer) -> Iterator[TokenHouse]:
    """A house that asks it; the support bot has an account there."""
    made = TokenHouse(tmp_path)
    (tmp_path / "own").write_text("our-own-token")
    made.clusters = (ClusterSettings(CLUSTER, US, review_url=cluster.url, token_file=tmp_path / "own"),)
    bot = made.facts.agents["support-bot"]
    account = Subject(issuer=CLUSTER, subject=ACCOUNT)
    bot = bot.model_copy(update={"identities": (*bot.identities, account)})
    made.facts = made.facts.model_copy(update={"agents": {**made.facts.agents, "support-bot": bot}})
    made.restart()
    yield made
    made.close()


async def connected(house: TokenHouse) -> Identity:
    """A connection of the pod."""
    await house.revocation_feed.poll(house.now)
    shown = Evidence("p", (("bearer", POD),))
    return await house.oauth.living(await house.resolver.prove(shown, house.now, house.facts))


async def by_connection(house: TokenHouse) -> str:
    """A task token of the pod's own, from the proxy's own host."""
    client = await connected(house)
    form = {"grant_type": "client_credentials", "authorization_details": details()}
    head = (("content-type", "application/x-www-form-urlencoded"),)
    request = Request("POST", "https", OWN_HOST, 443, "/oauth2/token", "", head, urlencode(form).encode())
    reply = await own_endpoints(house.server)[request.path](request, client)
    return str(json.loads(reply.body)["access_token"])


async def as_actor(house: TokenHouse) -> str:
    """A task token in Frank's name, for which the pod showed itself as actor."""
    return str(good(await house.for_frank(actor_token=POD))["access_token"])


async def use(house: TokenHouse, token: str) -> str:
    """What a call with this token, or handle, is refused with at this moment; empty if it passes so far."""
    await house.revocation_feed.poll(house.now)
    try:
        await house.oauth.living(
            await house.resolver.prove(Evidence("p", (("bearer", token),)), house.now, house.facts)
        )
    except Refused as refused:
        return refused.refusal.reason
    return ""


OBTAINED = pytest.mark.parametrize("obtain", [by_connection, as_actor])


@OBTAINED
def test_it_ends_when_the_cluster_says_no(
    house: TokenHouse, cluster: ApiServer, obtain: Callable[[TokenHouse], Awaitable[str]]
) -> None:
    """Though nobody shows the pod's own token any more, and nobody has used what was obtained with it for minutes."""

    async def story() -> None:
        token = await obtain(house)
        bound = await house.resolver.prove(Evidence("p", (("bearer", token),)), house.now, house.facts)
        for _ in range(10):
            house.now += 30
            await house.resolver.refresh(house.now)
        assert await use(house, token) == ""
        cluster.good.clear()
        house.now += 30
        await house.resolver.refresh(house.now)
        assert await use(house, token) == "identity_revoked"
        with pytest.raises(Refused, match="identity_revoked"):
            house.resolver.attribute(bound, house.facts, house.now)
        assert (await house.ask("introspect", token=token)).json() == {"active": False}

    asyncio.run(story())


def test_a_handle_under_its_task_ends_with_it(house: TokenHouse, cluster: ApiServer) -> None:
    """The task hangs on the pod, and with it whatever is issued under it."""

    async def story() -> None:
        handle = await house.handle(task=house.read(await by_connection(house))["task"])
        assert await use(house, handle) == ""
        cluster.good.clear()
        house.now += 30
        await house.resolver.refresh(house.now)
        assert await use(house, handle) == "identity_revoked"

    asyncio.run(story())


@OBTAINED
def test_after_a_restart_the_pod_must_show_itself_first(
    house: TokenHouse, obtain: Callable[[TokenHouse], Awaitable[str]]
) -> None:
    """Its token is kept nowhere, so that nobody could be asked; what is not known is no yes."""

    async def story() -> None:
        token = await obtain(house)
        house.restart()
        assert await use(house, token) == "identity_expired"
        await connected(house)
        assert await use(house, token) == ""

    asyncio.run(story())


@OBTAINED
def test_a_cluster_that_is_away_is_waited_for_two_minutes(
    house: TokenHouse, cluster: ApiServer, obtain: Callable[[TokenHouse], Awaitable[str]]
) -> None:
    """As on a connection of the pod itself; then nothing passes until it says yes."""

    async def story() -> None:
        token = await obtain(house)
        cluster.broken = 500, {}, b"oops"
        expected = {120: "", 121: "identity_unavailable"}
        begun = house.now
        for second, reason in expected.items():
            house.now = begun + second
            await house.resolver.refresh(house.now)
            assert await use(house, token) == reason
        cluster.broken = None
        house.now += 5
        await house.resolver.refresh(house.now)
        assert await use(house, token) == ""

    asyncio.run(story())


def test_a_cluster_that_is_configured_no_more_vouches_for_nobody(house: TokenHouse) -> None:
    """What was obtained with its tokens goes with it."""

    async def story() -> None:
        token = await by_connection(house)
        house.clusters = ()
        house.restart()
        assert await use(house, token) == "identity_expired"

    asyncio.run(story())
