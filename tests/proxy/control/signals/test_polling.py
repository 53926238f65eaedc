"""Fetching events: taken, refused, or left to come again; and never without a pause."""

import asyncio
import json

import httpx
import pytest
import respx

from proxy.control.signals.polling import AT_ONCE, PAUSE, Poller
from proxy.control.signals.web import Peer
from proxy.credentials.references import References
from tests.fakes.signal_house import SignalHouse, set_token

URL = "https://idp.example/poll"


class Fetching:
    """A poller of the provider, over a house; what it asked, and how long it waited."""

    def __init__(self, house):
        self.house = house
        self.waits = []
        self.peer = Peer(URL, None, None, References())
        self.poller = Poller(house.idp, self.peer, house.hearing, clock=lambda: house.now, sleep=self._wait)

    async def _wait(self, seconds):
        self.waits.append(seconds)


def story(folder, answers, tell):
    """The provider gives these answers, one after the other."""

    async def main():
        house = SignalHouse(folder, poll_url=URL)
        try:
            with respx.mock() as router:
                route = router.post(URL)
                route.side_effect = answers
                fetching = Fetching(house)
                await tell(house, fetching, lambda: [json.loads(call.request.content) for call in route.calls])
                await fetching.peer.close()
        finally:
            house.close()

    asyncio.run(main())


def sets(*tokens, **named):
    return httpx.Response(200, json={"sets": {f"set-{n + 1}": one for n, one in enumerate(tokens)} | named})


def test_what_took_effect_is_acknowledged_with_the_next_poll(tmp_path):
    """And only once. Every poll is a long one, so that what comes meanwhile does not wait for the next."""

    async def tell(house, fetching, asked):
        for _ in range(3):
            await fetching.poller.step()
        assert "principal:frank" in house.ended()
        assert asked() == [
            {"maxEvents": AT_ONCE, "returnImmediately": False},
            {"maxEvents": AT_ONCE, "returnImmediately": False, "ack": ["set-1"]},
            {"maxEvents": AT_ONCE, "returnImmediately": False},
        ]
        assert fetching.waits == [PAUSE, PAUSE]  # the two answers that came at once, with nothing

    story(tmp_path, [sets(set_token()), sets(), sets()], tell)


def test_what_is_wrong_is_refused_by_its_code(tmp_path):
    """Forged, of another issuer, under another name: told back, and the others are taken."""

    async def tell(house, fetching, asked):
        await fetching.poller.step()
        await fetching.poller.step()
        last = asked()[-1]
        assert last["ack"] == ["set-1"]
        assert {name: one["err"] for name, one in last["setErrs"].items()} == {
            "forged": "invalid_key",
            "foreign": "invalid_issuer",
            "misnamed": "invalid_request",
            "nonsense": "invalid_request",
        }
        assert "principal:frank" in house.ended()

    answer = sets(
        set_token(),
        forged=set_token(jti="forged", name="other"),
        foreign=set_token(jti="foreign", iss="https://evil.example"),
        misnamed=set_token(jti="set-9"),
        nonsense="x",
    )
    story(tmp_path, [answer, sets()], tell)


def test_what_may_work_later_is_neither(tmp_path):
    """It comes again, and is taken then."""

    async def tell(house, fetching, asked):
        house.log.broken = True
        await fetching.poller.step()
        assert (house.ended(), fetching.waits) == ({}, [PAUSE])
        house.log.broken = False
        await fetching.poller.step()
        assert "ack" not in asked()[-1]
        assert "principal:frank" in house.ended()

    story(tmp_path, [sets(set_token()), sets(set_token())], tell)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503),
        httpx.Response(401),
        httpx.Response(302),
        httpx.ConnectError("down"),
        httpx.Response(200, content=b"{"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"sets": []}),
        httpx.Response(200, json={"sets": {"a": 1}}),
        httpx.Response(200, json={"sets": {f"s{n}": "x" for n in range(AT_ONCE + 1)}}),
    ],
)
def test_a_provider_that_does_not_answer_is_asked_again(tmp_path, caplog, answer):
    """Later each time; what is to be acknowledged is kept until it could be said."""

    async def tell(house, fetching, asked):
        await fetching.poller.step()
        await fetching.poller.step()
        await fetching.poller.step()
        assert fetching.poller.trouble
        await fetching.poller.step()
        assert [one.get("ack") for one in asked()] == [None, ["set-1"], ["set-1"], ["set-1"]]
        assert fetching.waits[:2] == [0.5, 1.0]
        assert fetching.poller.trouble == ""

    story(tmp_path, [sets(set_token()), answer, answer, sets()], tell)
    assert sum("cannot be fetched" in line for line in caplog.messages) == 1
    assert sum("are fetched again" in line for line in caplog.messages) == 1
