"""Telling a receiver: in order, until it has it, without holding anybody up."""

import asyncio
import contextlib
import json

import httpx
import jwt
import pytest
import respx

from proxy.control.signals.model import Outgoing, Receiver
from proxy.control.signals.sending import Sender, give_up
from proxy.control.signals.web import Peer
from proxy.credentials.references import References
from proxy.storage.sqlite import SqliteStore
from tests.fakes.control_house import Log
from tests.fakes.signal_house import set_signer

URL = "https://crm.example/ssf/events"


def token(name):
    return Outgoing("crm", name, 10.0, {"jti": name, "sub_id": {"format": "opaque", "id": "global"}})


class Office:
    """A sender over a real store, with the waits that it asked for."""

    def __init__(self, folder):
        self.store = SqliteStore.open(folder / "s.db")
        self.log = Log(lambda: 0.0)
        self.waits = []
        receiver = Receiver("crm", "https://crm", url=URL)
        self.peer = Peer(URL, None, None, References())
        self.sender = Sender(
            receiver, self.peer, self.store, set_signer(folder),
            record=self.log.append, sleep=self._wait,
        )  # fmt: skip

    async def _wait(self, seconds):
        self.waits.append(seconds)

    async def put(self, *names):
        for name in names:
            await self.store.add_outgoing(token(name))
        self.sender.wake()

    async def left(self):
        return [one.token_id for one in await self.store.outgoing("crm", 10)]


@contextlib.asynccontextmanager
async def office(folder):
    made = Office(folder)
    try:
        yield made
    finally:
        await made.peer.close()
        made.store.close()


def sent(route):
    return [jwt.decode(call.request.content, options={"verify_signature": False})["jti"] for call in route.calls]


def test_what_is_in_line_goes_in_order(tmp_path):
    """Signed, as a security event token, and out of the line once it is taken."""

    async def main():
        with respx.mock() as router:
            route = router.post(URL).respond(202)
            async with office(tmp_path) as one:
                await one.put("s1", "s2", "s3")
                await one.sender.step()
                assert (sent(route), await one.left()) == (["s1", "s2", "s3"], [])
                request = route.calls.last.request
                assert request.headers["content-type"] == "application/secevent+jwt"
                assert jwt.get_unverified_header(request.content)["typ"] == "secevent+jwt"
                assert (one.waits, one.log.records, one.sender.trouble) == ([], [], "")

    asyncio.run(main())


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503),
        httpx.Response(500),
        httpx.Response(401),
        httpx.Response(302),
        httpx.Response(204),
        httpx.Response(400, content=b"{"),
        httpx.Response(400, json={"err": ["invalid_request"]}),
        httpx.Response(400, json={"err": "invalid_key"}),
        httpx.Response(400, json={"err": "invalid_audience"}),
        httpx.Response(400, json={"err": "authentication_failed"}),
        httpx.Response(400, json={"err": "something\x1b new"}),
        httpx.ConnectError("down"),
    ],
)
def test_what_is_not_taken_comes_again_before_the_others(tmp_path, caplog, answer):
    """The receiver is down, or something is wrong with all of it: nothing is lost, nothing overtakes."""

    async def main():
        with respx.mock() as router:
            route = router.post(URL)
            route.side_effect = [answer, answer, httpx.Response(202), httpx.Response(200)]
            async with office(tmp_path) as one:
                await one.put("s1", "s2")
                await one.sender.step()
                assert one.sender.trouble
                assert "\x1b" not in one.sender.trouble
                await one.sender.step()
                assert await one.left() == ["s1", "s2"]
                await one.sender.step()
                assert (await one.left(), one.waits, one.sender.trouble) == ([], [0.5, 1.0], "")
                assert sent(route) == ["s1", "s1", "s1", "s2"]
                assert one.log.records == []

    asyncio.run(main())
    assert sum("does not take events" in line for line in caplog.messages) == 1
    assert sum("are taken again" in line for line in caplog.messages) == 1


@pytest.mark.parametrize("err", ["invalid_request", "access_denied"])
def test_what_will_never_be_taken_does_not_stop_the_others(tmp_path, err):
    """Its end is on record, and the next one goes."""

    async def main():
        with respx.mock() as router:
            router.post(URL).side_effect = [httpx.Response(400, json={"err": err}), httpx.Response(202)]
            async with office(tmp_path) as one:
                await one.put("s1", "s2")
                await one.sender.step()
                assert (await one.left(), one.waits) == ([], [])
                (record,) = one.log.records
                assert record["type"] == "signal.undelivered"
                assert record["change"]["reason"] == f"it answers 400 {err}"

    asyncio.run(main())


def test_what_cannot_be_given_up_on_record_stays(tmp_path):
    """Nothing vanishes without a trace."""

    async def main():
        with respx.mock() as router:
            router.post(URL).respond(400, content=json.dumps({"err": "invalid_request"}))
            async with office(tmp_path) as one:
                await one.put("s1")
                one.log.broken = True
                with pytest.raises(Exception, match="full"):
                    await one.sender.step()
                assert await one.left() == ["s1"]

    asyncio.run(main())


def test_a_sender_with_nothing_to_say_waits(tmp_path):
    """It looks once at the start, and then when it is woken."""

    async def main():
        async with office(tmp_path) as one:
            await one.sender.step()
            waiting = asyncio.create_task(one.sender.step())
            await asyncio.to_thread(lambda: None)
            assert not waiting.done()
            one.sender.wake()
            await waiting

    asyncio.run(main())


def test_giving_up_says_whom_and_what(caplog):
    """In the log of the process too."""
    log = Log(lambda: 0.0)
    asyncio.run(give_up(token("s1"), "why", log.append))
    assert log.records[0]["change"]["details"][0] == "jti=s1"
    assert "receiver crm was not told by `s1`: why" in caplog.text
