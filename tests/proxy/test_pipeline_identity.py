"""Who may use a connection, and for how long: binding, revocation, staleness, and what is cut."""

import asyncio
from dataclasses import replace

import pytest

from proxy.stages import Evidence
from proxy.tasks.interfaces import Revocation
from tests.fakes.world import INVENTORY, arrived, get, mcp, problem, refund, run, shown


async def tunnel(house, evidence, connection="conn_1"):
    return await house.pipeline.admit_tunnel(connection, evidence, "crm.test", 443)


async def inside(house, request, connection="conn_1"):
    """A call inside a tunnel: it shows no evidence of its own."""
    return await house.pipeline.admit_call(arrived(request, connection=connection), None)


def test_a_tunnel_binds_its_identity(tmp_path):
    """Calls inside a tunnel are those of who opened it; another connection has nobody, nor has a closed one."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence()) is None
        released = await inside(house, get())
        assert released.decided.described.attributed.identity.agent.id == "support-bot"
        assert problem(await inside(house, get(), "conn_2"))["reason"] == "identity_missing"
        house.pipeline.closed("conn_1")
        assert problem(await inside(house, get()))["status"] == 407

    run(tmp_path, scenario)


def test_a_connection_is_of_whom_it_has_proven(tmp_path):
    """Of nobody before, and after it is closed; a refusal proves nothing."""

    async def scenario(house):
        for evidence, agent in ((shown("csh_" + "a" * 43), None), (await house.evidence(), "support-bot")):
            await tunnel(house, evidence)
            assert house.pipeline.agent_of("conn_1") == agent
        house.pipeline.closed("conn_1")
        assert house.pipeline.agent_of("conn_1") is None

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("agent", "more"), [("other-bot", {}), ("support-bot", {"task": "task-2"}), ("support-bot", {"person": None})]
)
def test_a_connection_never_becomes_somebody_else(tmp_path, agent, more):
    """Another agent, another task, another person on the same connection: refused, and the first stays bound."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence()) is None
        other = await house.evidence(agent, **more)
        assert problem(await tunnel(house, other))["reason"] == "identity_conflict"
        assert problem(await house.pipeline.admit_call(arrived(get()), other))["reason"] == "identity_conflict"
        released = await inside(house, get())
        assert released.decided.described.attributed.identity.proven.task == "task-1"
        again = await house.evidence()
        assert await tunnel(house, again) is None  # the same agent, task and person with a fresh handle

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("evidence", "reason", "status"),
    [
        (Evidence("127.0.0.1"), "identity_missing", 407),
        (shown("csh_" + "a" * 43), "identity_invalid", 407),
        (Evidence("127.0.0.1", malformed="not base64"), "identity_malformed", 407),
    ],
)
def test_who_proves_nothing_gets_no_tunnel(tmp_path, evidence, reason, status):
    """No, false or unreadable evidence: refused with a challenge, and on record as a refused identity."""

    async def scenario(house):
        document = problem(await tunnel(house, evidence))
        assert (document["reason"], document["status"]) == (reason, status)
        record = await house.last("identity.refused")
        assert (record["error"]["reason"], record["call"]) == (reason, document["call_id"])

    run(tmp_path, scenario)


def test_an_agent_without_an_owner_hears_why_inside_its_tunnel(tmp_path):
    """It is proven, so the tunnel opens and stays until a call inside was refused with the reason; then it ends."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence("lonely-bot")) is None
        assert house.pipeline.still_allowed("conn_1", None) is None
        document = problem(await inside(house, get()))
        assert (document["status"], document["reason"]) == (403, "agent_owner_missing")
        assert house.pipeline.still_allowed("conn_1", None) == "agent_owner_missing"
        record = await house.last("call.refused")
        assert record["error"]["reason"] == "agent_owner_missing"
        assert record["action"]["path"] == "/v1/customers/{customer}"
        assert record["agent"]["id"] == "lonely-bot"  # whoever looks for the agent finds its refusals

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ("global", "global_revoked"),
        ("agent:support-bot", "agent_revoked"),
        ("owner:olivia", "owner_revoked"),
        ("team:support", "team_revoked"),
        ("principal:alice", "principal_revoked"),
        ("task:task-1", "task_revoked"),
        ("class:utility", "class_revoked"),
    ],
)
def test_a_revocation_ends_calls_streams_and_tunnels(tmp_path, scope, reason):
    """Everything under the scope: new calls are refused, running ones are cut, and the record says by whom and why."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence()) is None
        released = await inside(house, get())
        assert house.pipeline.still_allowed("conn_1", released) is None
        await house.revocations.revoke(scope, "person:olivia", "misbehaves", house.clock())
        assert house.pipeline.still_allowed("conn_1", released) == reason
        assert house.pipeline.still_allowed("conn_1", None) == reason
        assert problem(await inside(house, get()))["reason"] == reason
        error = (await house.last("call.refused"))["error"]
        assert error["internal"] == f"{scope} by person:olivia: misbehaves"
        house.answer(released, 0, error=reason)

    run(tmp_path, scenario)


def test_a_revoked_handle_ends_its_connection(tmp_path):
    """Revoking the handle alone: its connections end, and it opens no new one."""

    async def scenario(house):
        handle = await house.handle()
        assert await tunnel(house, shown(handle)) is None
        released = await inside(house, get())
        (row,) = await house.handles.list()
        await house.handles.revoke(row.id, by="operator", reason="lost", now=house.clock())
        assert house.pipeline.still_allowed("conn_1", released) == "handle_revoked"
        assert problem(await tunnel(house, shown(handle), "conn_2"))["reason"] == "identity_revoked"
        house.answer(released)

    run(tmp_path, scenario)


def test_a_revocation_between_decision_and_release_refuses(tmp_path):
    """Revoked while the record was being written: recorded as decided, and then as refused; never released."""

    async def scenario(house):
        given, real = await house.evidence(), house.recorder.append

        class Recorder:
            def __getattr__(self, name):
                return getattr(house.recorder, name)

            async def append(self, record, salt=b""):
                index = await real(record, salt)
                if record["type"] == "call.decided":
                    await house.revocations.revoke("agent:support-bot", "operator", "now", house.clock())
                return index

        house.broken(recorder=Recorder())
        document = problem(await house.pipeline.admit_call(arrived(get()), given))
        assert document["reason"] == "agent_revoked"
        kinds = [record["type"] for record in await house.records() if record.get("call") == document["call_id"]]
        assert kinds == ["call.decided", "call.refused"]

    run(tmp_path, scenario)


def test_an_owner_who_leaves_ends_the_agents_calls_at_once(tmp_path):
    """The inventory's word counts on the next call and on the running stream, without a new connection."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence()) is None
        released = await inside(house, get())
        await house.edit(inventory=INVENTORY.replace("name: Olivia Owens,", "name: Olivia Owens, active: false,"))
        assert house.pipeline.still_allowed("conn_1", released) == "agent_owner_inactive"
        assert problem(await inside(house, get()))["reason"] == "agent_owner_inactive"
        house.answer(released)

    run(tmp_path, scenario)


def test_an_expired_handle_ends_its_connection(tmp_path):
    """After its life a handle's connection is cut and its calls are refused."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence()) is None
        released = await inside(house, get())
        house.clock.now += 3600
        await house.hear()
        assert house.pipeline.still_allowed("conn_1", released) == "identity_expired"
        assert problem(await inside(house, get()))["reason"] == "identity_expired"
        house.answer(released)

    run(tmp_path, scenario)


def test_without_word_of_revocations_only_reading_goes_on(tmp_path):
    """After one second, who is known may read, and nobody new comes in; streams go on."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence()) is None
        newcomer = await house.evidence("other-bot")
        running = await inside(house, get())
        house.clock.now += 2.0
        house.answer(await inside(house, get()))
        assert problem(await inside(house, refund(100)))["reason"] == "revocations_stale"
        assert problem(await inside(house, get("/v1/unknown")))["reason"] == "revocations_stale"
        assert problem(await tunnel(house, newcomer, "conn_2"))["reason"] == "revocations_stale"
        by_call = await house.pipeline.admit_call(arrived(get(), connection="conn_3"), newcomer)
        assert problem(by_call)["reason"] == "revocations_stale"
        assert house.pipeline.still_allowed("conn_1", running) is None
        assert (await house.last("call.refused"))["error"]["status"] == 503
        await house.hear()
        house.answer(await inside(house, refund(100)))
        house.answer(running)

    run(tmp_path, scenario)


@pytest.mark.parametrize("still", [2.0, 6.0])
def test_who_stood_still_hears_what_happened_before_it_refuses(tmp_path, still):
    """The machine stops for seconds: calls and newcomers are judged by newer word, not turned away for want of it."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence()) is None
        newcomer, other = await house.evidence("other-bot"), await house.evidence()
        polling = asyncio.create_task(house.feed.run(house.clock))
        await asyncio.sleep(0)
        house.clock.now += still
        assert await tunnel(house, newcomer, "conn_2") is None
        for request in (refund(100), get()):
            house.clock.now += still
            house.answer(await inside(house, request))
        house.clock.now += still
        house.answer(await house.pipeline.admit_call(arrived(get(), connection="conn_3"), other))
        await house.store.put_revocation(Revocation("agent:support-bot", house.clock(), "x", "by another process"))
        house.clock.now += still
        assert problem(await inside(house, refund(100)))["reason"] == "agent_revoked"
        polling.cancel()

    run(tmp_path, scenario)


def test_what_goes_on_is_not_cut_because_we_stood_still(tmp_path):
    """After a standstill there is a second for word to come; without one, and with none coming, it ends after five."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence()) is None
        running = await inside(house, get())

        def looks(*steps):
            for step in steps:
                house.clock.now += step
                yield house.pipeline.still_allowed("conn_1", running)

        assert [*looks(0, 6.0, 0.5)] == [None] * 3
        await house.hear()
        assert [*looks(0.5, 0.5)] == [None] * 2
        assert [*looks(6.0, 0.9, 0.2, 6.0)] == [None, None] + ["revocations_stale"] * 2
        await house.hear()
        assert [*looks(0, 6.0, 1.5, 1.5)] == [None] * 2 + ["revocations_stale"] * 2
        await house.hear()
        assert [*looks(*[0.5] * 11)] == [None] * 10 + ["revocations_stale"]
        house.answer(running, 0, error="revocations_stale")

    run(tmp_path, scenario)


@pytest.mark.parametrize("request_", [get(), mcp("ping"), refund(100)])
def test_after_five_seconds_nothing_passes(tmp_path, request_):
    """A feed that is stale refuses every call and cuts what is running; it is told by its own reason."""

    async def scenario(house):
        assert await tunnel(house, await house.evidence()) is None
        running = await inside(house, get())
        house.clock.now += 5.5
        verdict = await inside(house, request_)
        assert b"revocations_stale" in verdict.body
        assert problem(await tunnel(house, await house.evidence(), "conn_2"))["reason"] == "revocations_stale"
        assert house.pipeline.still_allowed("conn_1", running) == "revocations_stale"
        house.answer(running, 0, error="revocations_stale")

    run(tmp_path, scenario)


def test_nothing_is_cut_where_nothing_was_asked(tmp_path):
    """A connection that nobody is known on, or that has made no call, has nothing to cut."""

    async def scenario(house):
        assert house.pipeline.still_allowed("conn_unknown", None) is None
        assert await tunnel(house, await house.evidence()) is None
        await house.revocations.revoke("global", "operator", "stop", house.clock())
        assert house.pipeline.still_allowed("conn_1", None) is None

    run(tmp_path, scenario)


def test_two_pieces_of_evidence_must_agree(tmp_path):
    """Two handles of different agents on one request are nobody."""

    async def scenario(house):
        one, two = await house.handle(), await house.handle("other-bot")
        both = Evidence("127.0.0.1", (("basic", one), ("bearer", two)))
        assert problem(await tunnel(house, both))["reason"] == "identity_conflict"
        forged = replace(both, credentials=(("basic", one), ("digest", one)))
        assert problem(await tunnel(house, forged))["status"] == 407

    run(tmp_path, scenario)
