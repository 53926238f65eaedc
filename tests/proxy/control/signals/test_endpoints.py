"""The routes of signals, over HTTP: what comes in, what is fetched, what is told of us."""

import asyncio
import json

import httpx
import jwt
import pytest

from proxy.control.api import create_api
from proxy.control.signals import endpoints
from proxy.control.signals.endpoints import SignalDeps, Telling, signal_routes
from proxy.control.signals.model import Outgoing, Receiver
from proxy.credentials.references import References
from tests.fakes.control_house import ORIGIN, House
from tests.fakes.issuer import ISSUER, NOW
from tests.fakes.signal_house import OURS, SECRET, SignalHouse, set_signer, set_token


def story(folder, tell, **changes):
    async def main():
        house = SignalHouse(folder, **changes)
        try:
            await tell(house)
        finally:
            house.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("not a token", "invalid_request"),
        (b"\xff\xfe", "invalid_request"),
        (b"x" * 20_000, "invalid_request"),
        (set_token(iss="https://evil.example"), "invalid_issuer"),
        (set_token(aud="https://evil.example"), "invalid_audience"),
        (set_token(name="other"), "invalid_key"),
        (set_token(sub_id={"format": "email", "email": "a@evil.example"}), "access_denied"),
    ],
    ids=["text", "bytes", "large", "issuer", "audience", "key", "subject"],
)
def test_each_error_has_its_code(tmp_path, token, code):
    """Those of RFC 8935 section 2.4; nothing follows from any of them."""

    async def tell(house):
        assert await house.err(token) == code
        assert house.ended() == {}

    story(tmp_path, tell)


@pytest.mark.parametrize("kind", ["", "application/json", "application/jwt", "text/plain"])
def test_only_tokens_are_taken(tmp_path, kind):
    """Another content type is an invalid request, whatever the body is."""

    async def tell(house):
        assert await house.err(set_token(), content_type=kind) == "invalid_request"
        assert (
            await house.push(set_token(), content_type="application/secevent+jwt; charset=utf-8")
        ).status_code == 202

    story(tmp_path, tell)


def test_a_transmitter_shows_its_token_where_one_is_agreed(tmp_path):
    """None, another, a part of it, another scheme: `authentication_failed`; the right one is taken."""
    secret = tmp_path / "idp.token"
    secret.write_text(SECRET)

    async def tell(house):
        for shown in (
            "",
            f"Bearer {SECRET}x",
            f"Bearer {SECRET[:-1]}",
            f"Basic {SECRET}",
            SECRET,
            "Bearer",
            b"Bearer \xff",
        ):
            assert await house.err(set_token(), authorization=shown) == "authentication_failed"
        async with house.client() as client:
            twice = [("authorization", f"Bearer {SECRET}")] * 2 + [("content-type", "application/secevent+jwt")]
            answer = await client.post("/ssf/events", content=set_token(), headers=twice)
            assert answer.json()["err"] == "authentication_failed"
        assert house.ended() == {}
        assert (await house.push(set_token(), authorization=f"Bearer {SECRET}")).status_code == 202
        secret.unlink()
        assert (await house.push(set_token(jti="set-2"), authorization=f"Bearer {SECRET}")).status_code == 503

    story(tmp_path, tell, secret=f"file:{secret}")


def test_a_transmitter_that_is_polled_does_not_push(tmp_path):
    """Its token is not agreed for that direction."""

    async def tell(house):
        assert await house.err(set_token()) == "access_denied"

    story(tmp_path, tell, poll_url="https://idp.example/poll")


def test_no_browser_and_no_proxy_gets_here(tmp_path):
    """Another site's page, and a request through a proxy, are turned away by what guards every route."""

    async def tell(house):
        assert (await house.push(set_token(), origin="https://evil.example")).status_code == 403
        assert (await house.push(set_token(), proxy_authorization="x")).status_code == 400
        async with house.client() as client:
            assert (await client.get("/ssf/events")).status_code == 405
        assert house.ended() == {}

    story(tmp_path, tell)


# --- the side that tells ------------------------------------------------------------------------------


async def unasked(receiver, state):
    raise AssertionError("nobody asks for a sign of life here")


class TellingHouse(House):
    """`crm` fetches; `erp` is pushed to; `old` has a secret that nobody can read."""

    def __init__(self, folder):
        super().__init__(folder)
        (folder / "crm.token").write_text(SECRET)
        (folder / "erp.token").write_text("erp-shows-this-4711")
        self.signer = set_signer(folder)
        self.news = asyncio.Event()
        receivers = [
            Receiver("crm", "https://crm", secret=f"file:{folder / 'crm.token'}"),
            Receiver("erp", "https://erp", url="https://erp/events", secret=f"file:{folder / 'erp.token'}"),
        ]
        telling = Telling(OURS, {one.id: one for one in receivers}, self.store, self.signer, lambda: self.news, unasked)
        deps = SignalDeps(None, telling, References(), self.log.append, lambda: self.now)
        self.app = create_api(self.deps, self.door, signal_routes(deps))

    async def put(self, *ids):
        for one in ids:
            await self.store.add_outgoing(Outgoing("crm", one, self.now, {"iss": OURS, "jti": one, "sub_id": {}}))

    async def poll(self, token=SECRET, body=None, **asked):
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        content = json.dumps({"returnImmediately": True} | asked).encode() if body is None else body
        async with self.client(**headers) as client:
            return await client.post("/ssf/poll", content=content)


def telling(folder, tell):
    async def main():
        house = TellingHouse(folder)
        try:
            await tell(house)
        finally:
            house.close()

    asyncio.run(main())


def test_a_receiver_fetches_and_acknowledges(tmp_path):
    """In order, as many as it asks for, again until it says that it has them."""

    async def tell(house):
        await house.put("s1", "s2", "s3")
        first = (await house.poll(maxEvents=2)).json()
        assert (list(first["sets"]), first["moreAvailable"]) == (["s1", "s2"], True)
        claims = jwt.decode(
            first["sets"]["s1"],
            jwt.PyJWKSet.from_dict(house.signer.jwks(NOW)).keys[0],
            algorithms=["RS256"],
            options={"verify_aud": False},
        )
        assert claims["jti"] == "s1"
        assert list((await house.poll(maxEvents=2)).json()["sets"]) == ["s1", "s2"]
        last = (await house.poll(ack=["s1", "s2", "unknown"])).json()
        assert (list(last["sets"]), last["moreAvailable"]) == (["s3"], False)
        assert (await house.poll(maxEvents=0, ack=["s3"])).json() == {"sets": {}, "moreAvailable": False}

    telling(tmp_path, tell)


def test_what_a_receiver_refuses_is_given_up_on_record(tmp_path):
    """With its reason, as it gave it; the others go on."""

    async def tell(house):
        await house.put("s1", "s2")
        answer = await house.poll(setErrs={"s1": {"err": "invalid_key", "description": "\x1b[31m"}, "never": {}})
        assert list(answer.json()["sets"]) == ["s2"]
        (record,) = house.log.records
        assert record["type"] == "signal.undelivered"
        assert "invalid_key" in record["change"]["reason"]
        assert "\x1b" not in record["change"]["reason"]

    telling(tmp_path, tell)


def test_a_long_poll_ends_with_the_first_that_comes(tmp_path, monkeypatch):
    """And with nothing, after a while."""

    async def tell(house):
        asking = asyncio.create_task(house.poll(returnImmediately=False))
        await asyncio.to_thread(lambda: None)
        await house.put("s1")
        house.news.set()
        assert list((await asking).json()["sets"]) == ["s1"]
        await house.poll(ack=["s1"])
        house.news = asyncio.Event()
        monkeypatch.setattr(endpoints, "LONG_POLL", 0.0)
        assert (await house.poll(returnImmediately=False)).json()["sets"] == {}

    telling(tmp_path, tell)


@pytest.mark.parametrize("token", ["", "wrong-token-of-nobody", "erp-shows-this-4711"])
def test_nobody_fetches_what_is_for_another(tmp_path, token):
    """Without a token, with a wrong one, or as a receiver that is pushed to: nothing is told, nothing is dropped."""

    async def tell(house):
        await house.put("s1")
        answer = await house.poll(token, ack=["s1"])
        assert (answer.status_code, answer.json()["err"]) == (400, "authentication_failed")
        assert list((await house.poll()).json()["sets"]) == ["s1"]

    telling(tmp_path, tell)


def test_two_receivers_of_one_token_are_neither(tmp_path):
    """It would be open whose line is meant."""

    async def tell(house):
        (tmp_path / "crm.token").write_text("erp-shows-this-4711")
        routes = signal_routes(
            SignalDeps(
                None,
                Telling(
                    OURS,
                    {name: Receiver(name, "a", secret=f"file:{tmp_path / 'crm.token'}") for name in ("crm", "two")},
                    house.store,
                    house.signer,
                    lambda: house.news,
                    unasked,
                ),
                References(),
                house.log.append,
                lambda: NOW,
            )
        )
        house.app = create_api(house.deps, house.door, routes)
        assert (await house.poll("erp-shows-this-4711")).json()["err"] == "authentication_failed"

    telling(tmp_path, tell)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"maxEvents": -1}', b'{"maxEvents": true}', b'{"ack": "s1"}', b'{"ack": [1]}',
     b'{"setErrs": []}', b'{"returnImmediately": 1}', b'{"ack": [], "ack": []}'],
)  # fmt: skip
def test_a_poll_that_is_none_is_refused(tmp_path, body):
    """Every member is what RFC 8936 says, or nothing is told."""

    async def tell(house):
        answer = await house.poll(body=body)
        assert (answer.status_code, answer.json()["err"]) == (400, "invalid_request")

    telling(tmp_path, tell)


def test_a_store_that_is_down_is_asked_again(tmp_path):
    """503, with no word of what may wait."""

    async def main():
        house = TellingHouse(tmp_path)
        house.close()
        assert (await house.poll()).status_code == 503

    asyncio.run(main())


def test_what_we_are_is_told(tmp_path):
    """The configuration of SSF, and keys of RS256 alone, public halves only."""

    async def tell(house):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url=ORIGIN) as client:
            told = (await client.get("/.well-known/ssf-configuration")).json()
            keys = (await client.get("/ssf/jwks.json")).json()["keys"]
        assert told["issuer"] == OURS
        assert told["jwks_uri"] == f"{OURS}/ssf/jwks.json"
        assert told["delivery_methods_supported"] == ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"]
        assert [set(key) for key in keys] == [{"kty", "n", "e", "kid", "use", "alg"}] * 2
        assert {key["alg"] for key in keys} == {"RS256"}
        assert ISSUER

    telling(tmp_path, tell)
