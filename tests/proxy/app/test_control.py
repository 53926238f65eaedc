"""The control API over a core: what it tells of it, and what it was given."""

import asyncio
import contextlib

import httpx

from proxy.app.control import control_application
from proxy.app.core import open_core
from proxy.control.guard import PEER, Peer
from telemetry.metrics import Metrics
from tests.fakes.serving import configured


@contextlib.asynccontextmanager
async def operator(core, **headers):
    """A client of this core's API, as the operator."""
    application = control_application(core, ("http://127.0.0.1:1",), lambda: {"proxy": "127.0.0.1:2"}, Metrics())

    async def over_socket(scope, receive, send):
        await application({**scope, "state": {PEER: Peer(uid=0, pid=1)}}, receive, send)

    transport = httpx.ASGITransport(over_socket)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        yield client


def test_the_status_says_what_runs_and_what_is_in_force(tmp_path):
    """Versions, addresses, counts, and whether calls pass; what is unsafe is named."""
    settings = configured(tmp_path, more="mode: observe\n")

    async def main():
        async with open_core(settings) as core, operator(core) as client:
            told = (await client.get("/v1/status")).json()
            assert (told["proxy"], told["mode"], told["agents"], told["services"]) == ("127.0.0.1:2", "observe", 3, 2)
            assert (told["ready"], told["trouble"]) == (True, "")
            assert told["policy_version"] == core.keeper.world.version
            assert told["inventory_version"] == core.inventory().version
            assert any("observe" in sentence for sentence in told["unsafe"])
            assert (await client.get("/readyz")).status_code == 200

    asyncio.run(main())


def test_trouble_is_told(tmp_path):
    """When calls are refused, readiness and status say why: a log that cannot be written, a feed that is stale."""
    settings, now = configured(tmp_path), [1_795_000_000.0]

    async def main():
        async with open_core(settings, lambda: now[0]) as core, operator(core) as client:
            core.feed._heard_at = now[0] - 2
            assert "revocations" in (await client.get("/readyz")).text
            core.feed._heard_at = now[0]
            await asyncio.to_thread(core.recorder.close)
            answer = await client.get("/readyz")
            assert (answer.status_code, "audit log" in answer.text) == (503, True)
            assert (await client.get("/v1/status")).json()["ready"] is False

    asyncio.run(main())


def test_a_handle_lives_as_long_as_the_settings_say(tmp_path):
    """`identity.handle_ttl_seconds` is the life of a handle, unless another is asked for."""
    settings = configured(tmp_path, more="identity: {handle_ttl_seconds: 120}\n")

    async def main():
        async with open_core(settings, lambda: 1_795_000_000.0) as core, operator(core) as client:
            made = (await client.post("/v1/handles", json={"agent": "support-bot"})).json()
            assert made["not_after"] == 1_795_000_120.0
            asked = (await client.post("/v1/handles", json={"agent": "support-bot", "ttl_seconds": 600})).json()
            assert asked["not_after"] == 1_795_000_600.0

    asyncio.run(main())


def test_auditors_are_those_of_the_settings(tmp_path):
    """A person of an auditing team sees every agent's handles; anybody else only those of their own agents."""
    settings = configured(tmp_path, more="control: {auditors: [security]}\n")

    async def main():
        async with open_core(settings) as core, operator(core) as client:
            tokens = {
                person: (await client.post(f"/v1/people/{person}/tokens", json={"ttl_seconds": 600})).json()["token"]
                for person in ("bob", "alice")
            }
            await client.post("/v1/handles", json={"agent": "support-bot"})
            listed = {}
            for person, token in tokens.items():
                application = control_application(core, ("http://localhost",), dict, Metrics())
                transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as browser:
                    answer = await browser.get("/v1/handles", headers={"authorization": f"Bearer {token}"})
                    listed[person] = [row["agent"] for row in answer.json()["handles"]]
            assert listed["bob"] == ["support-bot"]
            assert listed["alice"] == []

    asyncio.run(main())


def test_responders_are_who_the_configuration_names(tmp_path):
    """A person of the team stops what is not theirs; with no such setting nobody does."""
    body = {"scope": "global", "reason": "incident", "kind": "freeze"}

    async def answered(settings):
        async with open_core(settings) as core:
            person = next(one for one in core.inventory().people.values() if one.teams)
            async with operator(core, **{"countersign-as": person.id}) as client:
                return person.teams[0], (await client.post("/v1/revocations", json=body)).status_code

    team, status = asyncio.run(answered(configured(tmp_path)))
    assert status == 403
    settings = configured(tmp_path, more=f"control:\n  responders: [{team}]\n")
    assert asyncio.run(answered(settings)) == (team, 201)
