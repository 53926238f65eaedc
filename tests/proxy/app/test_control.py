"""The control API over a core: what it tells of it, and what it was given."""

import asyncio
import contextlib
import sqlite3

import httpx
import pytest

from proxy.app.control import control_application
from proxy.app.core import open_core
from proxy.control.guard import PEER, Peer
from proxy.errors import CountersignError, StoreUnavailable
from proxy.stages import Released
from telemetry import reader
from telemetry.metrics import Metrics
from tests.fakes.serving import configured
from tests.fakes.waiting import PATIENCE, until
from tests.fakes.world import Broken, arrived, get, problem, refund, shown


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


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("", "", ""), ("people: [\n", "more.yaml:2", "more.yaml:2"), ("many", "more.yaml:2", "and 1")],
)
def test_the_status_says_which_files_are_not_in_force(tmp_path, text, first, last):
    """Each mistake with its place, and of very many how many more; the next start would fail because of them."""
    settings = configured(tmp_path)
    text = "people:\n" + "".join(f"  - {{id: no {n}, name: x}}\n" for n in range(21)) if text == "many" else text

    async def main():
        async with open_core(settings) as core, operator(core) as client:
            if text:
                (settings.inventory / "more.yaml").write_text(text)
            for _ in range(3):
                await core.keeper.poll(core.recorder.append)
            return (await client.get("/v1/status")).json()["files_not_in_force"]

    told = asyncio.run(main())
    assert bool(told) is bool(text)
    if told:
        assert first in told[0]
        assert last in told[-1]


def test_trouble_is_told(tmp_path):
    """When calls are refused, readiness and status say why: a log that cannot be written, a feed that is stale."""
    settings, now = configured(tmp_path), [1_795_000_000.0]

    async def main():
        async with open_core(settings, lambda: now[0]) as core, operator(core) as client:
            await until(lambda: core.feed._next is not None)
            now[0] += 2  # as for a machine that stood still: word comes with the next poll
            answer = await client.get("/readyz")
            assert answer.status_code == 200, answer.text
            real, core.feed._store = core.feed._store, Broken(StoreUnavailable("gone"))
            await until(lambda: core.feed._failing)
            now[0] += 2
            assert "revocations" in (await client.get("/readyz")).text
            core.feed._store = real
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


# --- people who leave, over the whole house -------------------------------------------------------------

SCIM = "control: {scim_token: env:SCIM_TOKEN_OF_TESTS}\n"
OFF = {"Operations": [{"op": "Replace", "path": "active", "value": "False"}]}


@contextlib.asynccontextmanager
async def provider(core):
    """A client of this core's API, as the identity provider."""
    origin = "http://127.0.0.1:1"
    application = control_application(core, (origin,), dict, Metrics())
    transport = httpx.ASGITransport(application, client=("127.0.0.1", 5))
    headers = {"authorization": "Bearer scim-0815-4711"}
    async with httpx.AsyncClient(transport=transport, base_url=origin, headers=headers) as client:
        yield client


async def shown_handle(core):
    handle, _ = await core.handles.issue(
        agent="support-bot", purpose="t", ttl=600, issued_by="t", now=core.clock(), on_behalf_of="alice", task="t-1"
    )
    return shown(handle)


def orphaned(settings):
    """What the log says has lost its owner."""
    records = reader.records(settings.state / "audit")
    return [one["change"]["what"] for one in records if one["type"] == "ownership.orphaned"]


def test_an_owner_whom_the_provider_lets_go_owns_nothing_that_passes(tmp_path, monkeypatch):
    """From the answer on: each call of their agents is refused, what waited is void, and the SOC is told."""
    monkeypatch.setenv("SCIM_TOKEN_OF_TESTS", "scim-0815-4711")
    settings = configured(tmp_path, more=SCIM)

    async def main():
        async with open_core(settings) as core, provider(core) as scim, operator(core) as client:
            given = await shown_handle(core)
            assert isinstance(await core.pipeline.admit_call(arrived(get()), given), Released)
            hold = str(problem(await core.pipeline.admit_call(arrived(refund()), given))["hold_id"])
            assert (await scim.patch("/scim/v2/Users/olivia", json=OFF)).json()["active"] is False
            refused = problem(await core.pipeline.admit_call(arrived(get()), given))
            assert refused["reason"] == "agent_owner_inactive"

            async with asyncio.timeout(PATIENCE):
                while (await core.holds.get(hold)).state == "pending":
                    await asyncio.to_thread(lambda: None)
            assert ((found := await core.holds.get(hold)).state, found.closed_reason) == ("cancelled", "owner_left")
            status = (await client.get("/v1/status")).json()
            assert (status["orphaned"], status["reviews_overdue"]) == (4, 0)
            answer = await client.get("/v1/reviews?all=true")
            assert {row["owner"] for row in answer.json()["orphaned"]} == {"olivia"}
            assert len(answer.json()["orphaned"]) == 4
            await until(lambda: len(orphaned(settings)) == 4)

    asyncio.run(main())
    assert set(orphaned(settings)) == {
        "agent:support-bot", "agent:other-bot", "dataset:customers", "dataset:exports",
    }  # fmt: skip


def test_a_restart_forgets_nobody_who_left(tmp_path, monkeypatch):
    """Who was deactivated is so from the first call on."""
    monkeypatch.setenv("SCIM_TOKEN_OF_TESTS", "scim-0815-4711")
    settings = configured(tmp_path, more=SCIM)

    async def main():
        async with open_core(settings) as core, provider(core) as scim:
            await scim.delete("/scim/v2/Users/alice")
        async with open_core(settings) as core:
            assert not core.inventory().people["alice"].active
            refused = problem(await core.pipeline.admit_call(arrived(get()), await shown_handle(core)))
            assert refused["reason"] == "principal_inactive"

    asyncio.run(main())


def test_without_a_readable_token_there_is_no_scim(tmp_path, monkeypatch):
    """Unset in the settings, there is no endpoint; set and not there, a mistake before we start."""
    monkeypatch.delenv("SCIM_TOKEN_OF_TESTS", raising=False)

    async def main():
        async with open_core(configured(tmp_path / "a")) as core, provider(core) as scim:
            assert (await scim.get("/scim/v2/Users/alice")).status_code == 404
        async with open_core(configured(tmp_path / "b", more=SCIM)) as core:
            with pytest.raises(CountersignError, match=r"control\.scim_token: cannot be read"):
                control_application(core, (), dict, Metrics())

    asyncio.run(main())


def test_a_store_that_cannot_say_who_left_does_not_start(tmp_path):
    """Nobody counts as active only because it is not known."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings):
            pass
        with contextlib.closing(sqlite3.connect(settings.state / "countersign.db")) as connection:
            connection.execute("DROP TABLE person_states")
        with pytest.raises(CountersignError, match="does not answer"):
            async with open_core(settings):
                pass

    asyncio.run(main())


def test_a_store_that_cannot_say_who_left_refuses_calls(tmp_path):
    """The last word stays in force, and the feed ages: revocations alone being read is not enough."""
    settings, now = configured(tmp_path), [1_795_000_000.0]

    async def main():
        async with open_core(settings, lambda: now[0]) as core:
            given = await shown_handle(core)
            with contextlib.closing(sqlite3.connect(settings.state / "countersign.db")) as connection:
                connection.execute("DROP TABLE ownership_token")
            with pytest.raises(CountersignError):
                await core.feed.poll(now[0] + 6)
            now[0] += 6
            assert problem(await core.pipeline.admit_call(arrived(get()), given))["reason"] == "revocations_stale"

    asyncio.run(main())
