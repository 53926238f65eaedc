"""Every kind of scope at every moment of a call: what is ended or frozen, and what is left alone."""

import asyncio
import json

import pytest

from proxy.endings import Reach
from proxy.facts import Attestation, Held
from proxy.identity.interfaces import HandleQuery
from proxy.stages import Released
from tests.fakes.waiting import until
from tests.fakes.world import INVENTORY, arrived, get, mcp, problem, refund, run

ACME = "partners: [{id: acme, name: Acme, owner: bob, contract: K-1, ends: 2099-01-01, issuers: []}]\n"
PARTNERED = ACME + INVENTORY.replace(
    "{id: support-bot, owner: olivia,", "{id: support-bot, owner: olivia, partner: acme,"
)
STRANGER_BOT = """\
  - id: stranger-bot
    owner: bob
    agent_class: privileged
    purpose: tests
    expires: 2099-01-01
    review_due: 2099-01-01
"""
WIKI = """\
  - id: wiki
    owner: bob
    url: https://wiki.test
    tools: [{name: read, effect: read, route: {method: GET, path: /other}}]
"""
STRANGER = PARTNERED.replace("services:\n", f"services:\n{WIKI}").replace("agents:\n", f"agents:\n{STRANGER_BOT}")

OF_THE_CALLER = [
    "global", "team:support", "owner:olivia", "partner:acme", "principal:alice", "agent:support-bot", "class:utility",
    "task:task-1", "handle:ID",
]  # fmt: skip
OF_THE_CALL = ["service:crm", "tool:crm/create_refund", "credential:crm-key", "connection:conn_1"]
EVERY = OF_THE_CALLER + OF_THE_CALL
BY = "operator:uid=0"


def kind_of(scope):
    return scope.partition(":")[0]


async def scope_of(house, scope):
    """The scope, with the id of the only handle in it."""
    if "ID" not in scope:
        return scope
    rows = await house.handles.list(HandleQuery(agents=["support-bot"]))
    return scope.replace("ID", rows[0].id)


async def stop(house, scope, kind="revoke"):
    """Ends or freezes this scope, a second after whatever was done so far."""
    house.clock.now += 1
    await house.hear()
    return await house.revocations.revoke(await scope_of(house, scope), BY, "odd", house.clock(), kind=kind)


async def lift(house, scope):
    assert await house.revocations.lift(await scope_of(house, scope))


async def stranger(house):
    """A call of another agent, for another person, to another service; to be left alone by every narrow scope."""
    said = Attestation(
        id="att_1", what="agent:stranger-bot", owner="bob", agent_class="privileged", digest="", person="bob",
        at=house.clock(),
    )  # fmt: skip
    house.keeper.hold(Held(attestations={said.what: said}))
    other = await house.evidence("stranger-bot", person="bob", task="task-9")
    return await house.admit(get("/other", host="wiki.test"), other, connection="conn_9")


@pytest.mark.parametrize("scope", EVERY)
def test_what_is_ended_is_refused_and_cut_until_it_is_lifted(tmp_path, scope):
    """A new call, a call under way and its connection end with the reason; others go on; lifted, it passes again."""

    async def scenario(house):
        given = await house.evidence()
        flowing = await house.released(refund(5), evidence=given)
        others = await stranger(house)
        await stop(house, scope)
        reason = f"{kind_of(scope)}_revoked"
        assert (await house.refused(refund(5), evidence=given))["reason"] in {reason, "identity_revoked"}
        assert house.pipeline.still_allowed("conn_1", flowing) == reason
        ended = reason if scope in OF_THE_CALLER or kind_of(scope) == "connection" else None
        assert house.pipeline.still_allowed("conn_1", None) == ended
        if scope != "global":
            assert house.pipeline.still_allowed("conn_9", others) is None
            assert isinstance(await stranger(house), Released)
        await lift(house, scope)
        assert house.pipeline.still_allowed("conn_1", flowing) is None
        house.answer(flowing)
        house.answer(await house.released(refund(5), evidence=given))

    run(tmp_path, scenario, inventory=STRANGER)


@pytest.mark.parametrize("scope", EVERY)
def test_what_is_frozen_is_held_and_cut_until_it_is_lifted(tmp_path, scope):
    """What policy allows waits for the owner, what is under way is cut, a denial stays one; others go on."""

    async def scenario(house):
        given = await house.evidence()
        flowing = await house.released(refund(5), evidence=given)
        others = await stranger(house)
        await stop(house, scope, "freeze")
        reason = f"{kind_of(scope)}_frozen"
        document = await house.refused(refund(5), evidence=given)
        if scope == "owner:olivia":
            assert document["reason"] == "approval_impossible"
        else:
            assert document["reason"] == "approval_pending"
            view = await house.holds.get(document["hold_id"])
            assert view.may_decide == ("olivia",)
            assert view.card["reasons"][0].startswith(f"frozen: {await scope_of(house, scope)} by {BY}: odd")
        assert house.pipeline.still_allowed("conn_1", flowing) == reason
        assert house.pipeline.still_allowed("conn_1", None) is None  # a call may wait there for the person's word
        assert (await house.refused(get("/v1/exports/customers"), evidence=given))["reason"] == "no_permit"
        if scope != "global":
            assert house.pipeline.still_allowed("conn_9", others) is None
            assert isinstance(await stranger(house), Released)
        await lift(house, scope)
        house.answer(flowing)
        house.answer(await house.released(refund(6), evidence=given))

    run(tmp_path, scenario, inventory=STRANGER)


@pytest.mark.parametrize("first", ["revoke", "freeze"])
@pytest.mark.parametrize("scope", ["principal:alice", "agent:support-bot", "service:crm"])
def test_what_is_ended_and_frozen_is_both_in_whatever_order(tmp_path, scope, first):
    """A person's handle of before is dead, one of after is held; all else is dead, and held once the end is lifted."""

    async def scenario(house):
        before = await house.evidence()
        for kind in (first, "freeze" if first == "revoke" else "revoke"):
            await stop(house, scope, kind)
        house.clock.now += 1
        await house.hear()
        ended, frozen = f"{kind_of(scope)}_revoked", f"{kind_of(scope)}_frozen"
        assert (await house.refused(refund(5), evidence=before))["reason"] == ended
        after = await house.evidence()
        told = await house.refused(refund(5), evidence=after, connection="conn_2")
        if kind_of(scope) == "principal":
            assert (told["reason"], told["reason_code"]) == ("approval_pending", frozen)
        else:
            assert told["reason"] == ended
        await house.revocations.lift(scope, ["revoke"])
        told = await house.refused(refund(6), evidence=before, connection="conn_3")
        assert (told["reason"], told["reason_code"]) == ("approval_pending", frozen)
        await house.revocations.lift(scope, ["freeze"])
        house.answer(await house.released(refund(7), evidence=before, connection="conn_4"))

    run(tmp_path, scenario)


@pytest.mark.parametrize("kind", ["revoke", "freeze"])
@pytest.mark.parametrize("scope", EVERY)
def test_what_comes_between_decision_and_release_refuses(tmp_path, scope, kind):
    """Ended or frozen while the record was being written: refused after all, and the agent is told to ask again."""

    async def scenario(house):
        given, real = await house.evidence(), house.recorder.append

        class Recorder:
            def __getattr__(self, name):
                return getattr(house.recorder, name)

            async def append(self, record, salt=b""):
                index = await real(record, salt)
                if record["type"] == "call.decided":
                    await house.revocations.revoke(await scope_of(house, scope), BY, "now", house.clock(), kind=kind)
                return index

        house.broken(recorder=Recorder())
        document = await house.refused(refund(5), evidence=given)
        assert document["reason"] == f"{kind_of(scope)}_{'revoked' if kind == 'revoke' else 'frozen'}"
        assert document["next_action"] == ("none" if kind == "revoke" else "request")

    run(tmp_path, scenario, inventory=PARTNERED)


@pytest.mark.parametrize("scope", EVERY)
def test_what_is_ended_while_a_call_waits_is_not_released(tmp_path, scope):
    """The approval came, and so did the end: refused, and nothing was recorded as released."""

    async def scenario(house):
        given = await house.evidence()
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        hold = await waiting(house, call)
        await house.revocations.revoke(await scope_of(house, scope), BY, "odd", house.clock())
        await house.approve(hold)
        assert problem(await call)["reason"] == f"{kind_of(scope)}_revoked"
        assert await house.records("call.resumed") == []

    run(tmp_path, scenario, inventory=PARTNERED, wait=30.0)


@pytest.mark.parametrize("scope", [one for one in EVERY if one != "owner:olivia"])
def test_what_is_frozen_while_a_call_waits_asks_anew(tmp_path, scope):
    """An approval by somebody who did not know of the freeze does not let the call through."""

    async def scenario(house):
        given = await house.evidence()
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        hold = await waiting(house, call)
        await house.revocations.revoke(await scope_of(house, scope), BY, "odd", house.clock() + 1, kind="freeze")
        await house.approve(hold)
        assert problem(await call)["reason"] == "approval_requirements_changed"
        assert await house.records("call.resumed") == []

    run(tmp_path, scenario, inventory=PARTNERED, wait=30.0)


async def waiting(house, call):
    """The hold that this call waits for on the line."""
    await until(lambda: call.done() or bool(house.holds._ledger.waiters))
    assert not call.done(), call.result()
    return (await house.holds.list("open"))[0].id


def test_an_approved_call_passes_under_its_freeze(tmp_path):
    """Signed for exactly this call, it runs once and is not cut; the next one waits again; a new freeze cuts it."""

    async def scenario(house):
        given = await house.evidence()
        await stop(house, "agent:support-bot", "freeze")
        house.clock.now += 1
        await house.hear()
        hold = await house.held(get(), evidence=given)
        await house.approve(hold)
        flowing = await house.released(get(), evidence=given)
        assert flowing.claim.approved_by == ("olivia",)
        assert house.pipeline.still_allowed("conn_1", flowing) is None
        assert await house.held(get("/v1/customers/other"), evidence=given) != hold
        await stop(house, "agent:support-bot", "freeze")
        assert house.pipeline.still_allowed("conn_1", flowing) == "agent_frozen"
        await stop(house, "agent:support-bot")
        assert house.pipeline.still_allowed("conn_1", flowing) == "agent_revoked"
        house.answer(flowing)

    run(tmp_path, scenario)


def test_an_approved_call_does_not_pass_an_end(tmp_path):
    """What was signed under a freeze is refused once the scope is ended."""

    async def scenario(house):
        given = await house.evidence()
        await stop(house, "agent:support-bot", "freeze")
        house.clock.now += 1
        await house.hear()
        await house.approve(await house.held(get(), evidence=given))
        await stop(house, "agent:support-bot")
        assert (await house.refused(get(), evidence=given))["reason"] == "agent_revoked"

    run(tmp_path, scenario)


def test_an_approval_from_before_a_freeze_is_void(tmp_path):
    """The owner signed a refund before the freeze: it is not used; asked again, the new request names the freeze."""

    async def scenario(house):
        given = await house.evidence()
        before = await house.held(refund(), evidence=given)
        await house.approve(before)
        await stop(house, "tool:crm/create_refund", "freeze")
        told = await house.refused(refund(), evidence=given)
        assert (told["reason"], told["next_action"], await house.state(before)) == (
            "approval_invalidated", "request", "revoked",
        )  # fmt: skip
        house.clock.now += 1
        await house.hear()
        again = await house.held(refund(), evidence=given)
        assert again != before
        reasons = (await house.holds.get(again)).card["reasons"]
        assert [one.partition(":")[0] for one in reasons] == ["refunds above 100.00 need sign-off", "frozen"]
        await house.approve(again)
        house.answer(await house.released(refund(), evidence=given))

    run(tmp_path, scenario)


def test_how_much_is_open_under_a_scope(tmp_path):
    """Connections of agents that were admitted, and calls under way, each counted once."""

    async def scenario(house):
        given = await house.evidence()
        flowing = await house.released(get(), evidence=given)
        idle = await house.released(get(), evidence=given, connection="conn_2")
        house.answer(idle)
        await house.refused(get("/v1/exports/customers"), evidence=await house.evidence("other-bot"), connection="c3")
        reached = house.pipeline.reached_by
        assert reached("agent:support-bot") == Reach(2, 1)
        assert reached("service:crm") == Reach(1, 1)
        assert reached("connection:conn_2") == Reach(1, 0)
        assert reached("global") == Reach(3, 1)
        assert reached("agent:nobody") == Reach(0, 0)
        house.answer(flowing)
        house.pipeline.closed("conn_1")
        assert reached("agent:support-bot") == Reach(1, 0)
        await house.edit(
            inventory=INVENTORY.replace("support-bot, owner: olivia", "support-bot, owner: olivia, enabled: false")
        )
        assert reached("task:task-1") == Reach(2, 0)
        assert reached("agent:support-bot") == Reach(0, 0)

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ("agent:support-bot", ""),
        ("owner:olivia", ""),
        ("connection:conn_1", ""),
        ("tool:notes/search_notes", ""),
        ("service:notes", "service_frozen"),
        ("global", "global_frozen"),
    ],
)
def test_housekeeping_under_a_freeze(tmp_path, scope, reason):
    """A session is opened and tools are listed while the agent is frozen, not while the service or everything is."""

    async def scenario(house):
        given = await house.evidence()
        await stop(house, scope, "freeze")
        for message in (mcp("initialize", INITIALIZE), mcp("tools/list"), mcp("ping")):
            verdict = await house.admit(message, evidence=given)
            if reason:
                assert refusal_of(verdict) == reason
            else:
                assert house.pipeline.still_allowed("conn_1", verdict) is None
                house.answer(verdict)
        listening = await house.admit(mcp("tools/list"), evidence=given)
        if isinstance(listening, Released):
            await stop(house, "agent:support-bot")
            assert house.pipeline.still_allowed("conn_1", listening) == "agent_revoked"
            house.answer(listening)

    run(tmp_path, scenario)


INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


def refusal_of(verdict):
    """The reason in a JSON-RPC refusal."""
    document = json.loads(verdict.body)
    return document["error"]["data"]["reason"]
