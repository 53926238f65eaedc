"""A stream as its receiver sees it: looked at and tried out by whoever it is for, and changed by nobody."""

import asyncio

import pytest

from proxy.control.api import create_api
from proxy.control.signals.endpoints import SignalDeps, Telling, signal_routes
from proxy.control.signals.model import Receiver
from proxy.control.signals.streams import MIN_VERIFICATION_SECONDS
from proxy.control.signals.words import SESSION_REVOKED
from proxy.credentials.references import References
from proxy.errors import StoreUnavailable
from tests.fakes.control_house import House
from tests.fakes.signal_house import OURS, SECRET, set_signer

PUSHED = "erp-shows-this-4711"


class StreamHouse(House):
    """`crm` fetches, `erp` is pushed to, `open` is pushed to without a token."""

    def __init__(self, folder):
        super().__init__(folder)
        (folder / "crm.token").write_text(SECRET)
        (folder / "erp.token").write_text(PUSHED)
        self.verified = []
        self.broken = False
        receivers = [
            Receiver("crm", "https://crm", secret=f"file:{folder / 'crm.token'}"),
            Receiver("erp", "https://erp", url="https://erp/events", secret=f"file:{folder / 'erp.token'}"),
            Receiver("open", "https://open", url="https://open/events"),
        ]
        by_id = {one.id: one for one in receivers}
        telling = Telling(OURS, by_id, self.store, set_signer(folder), asyncio.Event, self._verify)
        deps = SignalDeps(None, telling, References(), self.log.append, lambda: self.now)
        self.app = create_api(self.deps, self.door, signal_routes(deps))

    async def _verify(self, receiver, state):
        if self.broken:
            raise StoreUnavailable("down")
        await asyncio.sleep(0)  # others have a turn, as with a real store
        self.verified.append((receiver.id, state))

    async def ask(self, method, path, token=SECRET, body=None):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with self.client(**headers) as client:
            return await client.request(method, path, json=body)


def story(folder, tell):
    async def main():
        house = StreamHouse(folder)
        try:
            await tell(house)
        finally:
            house.close()

    asyncio.run(main())


def test_a_receiver_finds_its_stream(tmp_path):
    """By our configuration alone: where it is, what it tells, how it comes; of others nothing."""

    async def tell(house):
        async with house.client() as client:
            told = (await client.get("/.well-known/ssf-configuration")).json()
        at = told["configuration_endpoint"].removeprefix(OURS)
        (crm,) = (await house.ask("GET", at)).json()
        assert crm == (await house.ask("GET", f"{at}?stream_id=crm")).json()
        assert (crm["stream_id"], crm["iss"], crm["aud"]) == ("crm", OURS, "https://crm")
        assert crm["delivery"] == {"method": "urn:ietf:rfc:8936", "endpoint_url": f"{OURS}/ssf/poll"}
        assert crm["events_delivered"] == [SESSION_REVOKED]
        (erp,) = (await house.ask("GET", at, PUSHED)).json()
        assert erp["delivery"] == {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://erp/events"}
        status = (await house.ask("GET", f"{told['status_endpoint'].removeprefix(OURS)}?stream_id=crm")).json()
        assert status == {"stream_id": "crm", "status": "enabled"}
        assert (await house.ask("GET", f"{at}?stream_id=erp")).status_code == 404
        assert (await house.ask("GET", "/ssf/status")).status_code == 404

    story(tmp_path, tell)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ssf/streams"), ("POST", "/ssf/streams"), ("PUT", "/ssf/streams"), ("DELETE", "/ssf/streams"),
        ("GET", "/ssf/status?stream_id=crm"), ("POST", "/ssf/status"), ("POST", "/ssf/verify"),
    ],
)  # fmt: skip
def test_nobody_sees_or_tries_a_stream_without_its_token(tmp_path, method, path):
    """None, a wrong one, an empty one, one that two have: 401, and nothing is put in line."""

    async def tell(house):
        for token in ("", "wrong", "\t"):
            answer = await house.ask(method, path, token, {"stream_id": "crm"} if method == "POST" else None)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        (tmp_path / "erp.token").write_text(SECRET)
        assert (await house.ask(method, path)).status_code == 401
        assert house.verified == []

    story(tmp_path, tell)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/ssf/streams", 409), ("PUT", "/ssf/streams", 403), ("PATCH", "/ssf/streams", 403),
        ("DELETE", "/ssf/streams?stream_id=crm", 403), ("POST", "/ssf/status", 403),
    ],
)  # fmt: skip
def test_a_stream_is_changed_by_nobody(tmp_path, method, path, status):
    """What is told to whom stands in the settings: a receiver can neither turn it off nor have it sent elsewhere."""

    async def tell(house):
        (before,) = (await house.ask("GET", "/ssf/streams")).json()
        sent = {"stream_id": "crm", "status": "disabled", "delivery": {"endpoint_url": "https://evil.example"}}
        assert (await house.ask(method, path, body=sent)).status_code == status
        assert (await house.ask("GET", "/ssf/streams")).json() == [before]

    story(tmp_path, tell)


def test_a_receiver_tries_its_stream_out(tmp_path):
    """With a state of its own, now and then, and not another's."""

    async def tell(house):
        async def verify(body, token=SECRET):
            return (await house.ask("POST", "/ssf/verify", token, body)).status_code

        assert await verify({"stream_id": "erp"}) == 404
        assert await verify({"stream_id": "crm", "state": "VGhpcw"}) == 204
        assert await verify({"stream_id": "crm"}) == 429
        assert await verify({"stream_id": "erp"}, PUSHED) == 204
        house.now -= MIN_VERIFICATION_SECONDS
        assert await verify({"stream_id": "crm"}) == 204
        assert house.verified == [("crm", "VGhpcw"), ("erp", None), ("crm", None)]
        house.now += 3600
        both = await asyncio.gather(verify({"stream_id": "crm"}), verify({"stream_id": "crm"}))
        assert sorted(both) == [204, 429]
        house.broken, house.now = True, house.now + 3600
        assert await verify({"stream_id": "crm"}) == 503

    story(tmp_path, tell)


@pytest.mark.parametrize("body", [None, [], "crm", {"stream_id": "crm", "state": 1}, {"state": "x" * 1025}])
def test_what_is_no_request_is_refused(tmp_path, body):
    """And puts nothing in line."""

    async def tell(house):
        assert (await house.ask("POST", "/ssf/verify", body=body)).status_code == 400
        assert house.verified == []

    story(tmp_path, tell)
