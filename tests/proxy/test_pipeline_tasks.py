"""Calls under a task that was begun: bounded, counted, attributed by its chain, and ended with it."""

import asyncio

import pytest

from proxy.errors import StoreUnavailable
from proxy.facts import Attestation, Held, OwnershipRules
from proxy.stages import Principal
from proxy.tasks.budget import UNIT, Budget, Spend
from proxy.tasks.delegation import Proof
from proxy.tasks.task import NewTask
from telemetry.ids import new_id
from tests.fakes.world import DENY_REFUNDS, INVENTORY, POLICIES, arrived, get, problem, refund, run

ALICE = Principal("human", "alice")
SHOWN = Proof("personal_token", "verified", "sha256:aa")


async def begun(house, parent=None, **changes):
    """An active task of the support bot for Alice."""
    asked = {
        "agent": "support-bot", "purpose": "refunds of today", "deadline": house.clock() + 600, "principal": ALICE,
        "proof": SHOWN, "tools": ("crm/get_customer", "crm/create_refund"), "datasets": ("read:customers",),
    }  # fmt: skip
    return await house.tasks.create(NewTask(**(asked | changes)), parent=parent, by="test", now=house.clock())


async def reason(house, request, task, **more):
    """Why this call is refused; nothing if it is released."""
    verdict = await house.admit(request, await house.evidence(task=task.id, **more), connection=new_id("conn"))
    return problem(verdict)["reason"] if hasattr(verdict, "body") else ""


def test_a_task_bounds_calls_that_policy_would_allow(tmp_path):
    """What it declares passes; another tool and another dataset are refused, and told so."""

    async def scenario(house):
        assert await reason(house, get(), await begun(house)) == ""
        assert await reason(house, get(), await begun(house, datasets=())) == "task_dataset_undeclared"
        assert await reason(house, refund(5), await begun(house, tools=("crm/get_customer",))) == "task_tool_undeclared"
        assert (await house.last("call.refused"))["error"]["reason"] == "task_tool_undeclared"

    run(tmp_path, scenario)


def test_the_chain_is_the_tasks(tmp_path):
    """Policy and record see the hops that were proven when the task began, not what a handle says."""

    async def scenario(house):
        parent = await begun(house)
        child = await begun(
            house, parent.id, agent="other-bot", proof=Proof("handle", "verified", "sha256:bb"), grant="task_spawn"
        )
        evidence = await house.evidence("other-bot", person=None, task=child.id)
        released = await house.released(get(), evidence=evidence)
        chain = released.decided.described.attributed.identity.chain
        assert [member.id for member in chain.members] == ["alice", "support-bot", "other-bot"]
        assert [hop.level for hop in chain.hops] == ["verified", "verified"]
        record = await house.last("call.decided")
        assert record["principal"] == {"kind": "human", "id": "alice"}
        assert record["delegation"]["chain"] == ["human:alice", "agent:support-bot", "agent:other-bot"]
        assert record["delegation"]["integrity"] == "verified"

    run(tmp_path, scenario)


def test_a_handle_that_contradicts_its_task_proves_nothing(tmp_path):
    """Another agent's task, or another person than the task's: refused."""

    async def scenario(house):
        task = await begun(house)
        for agent, person in (("other-bot", None), ("support-bot", "olivia")):
            evidence = await house.evidence(agent, person=person, task=task.id)
            assert (await house.refused(get(), evidence=evidence))["reason"] == "identity_conflict"

    run(tmp_path, scenario)


@pytest.mark.parametrize("scope", ["principal:alice", "agent:support-bot", "owner:olivia", "team:support", "task:{}"])
def test_whoever_is_ended_in_the_chain_ends_it(tmp_path, scope):
    """Also for a handle that is issued afterwards: it is no younger than its task."""

    async def scenario(house):
        parent = await begun(house)
        child = await begun(house, parent.id, agent="other-bot", grant="task_spawn")
        await house.revocations.revoke(scope.format(parent.id), "test", "stop", house.clock() + 1)
        house.clock.now += 2
        await house.hear()
        evidence = await house.evidence("other-bot", person=None, task=child.id)
        refused = await house.refused(get(), evidence=evidence)
        assert refused["reason"] == f"{scope.partition(':')[0]}_revoked"

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("before", "after", "reason_"),
    [
        ("name: Alice Archer", "name: Alice Archer, active: false", "principal_inactive"),
        ("id: alice,", "id: alicia,", "principal_unknown"),
        ("id: support-bot, owner: olivia", "id: support-bot, enabled: false, owner: olivia", "delegator_refused"),
        ("id: support-bot,", "id: renamed-bot,", "delegator_refused"),
    ],
)
def test_whoever_leaves_the_inventory_ends_the_chain(tmp_path, before, after, reason_):
    """A person or an agent in the middle that is gone, or may not call itself, takes the rest along."""

    async def scenario(house):
        parent = await begun(house)
        child = await begun(house, parent.id, agent="other-bot", grant="task_spawn")
        evidence = await house.evidence("other-bot", person=None, task=child.id)
        assert await house.pipeline.admit_tunnel("conn_1", evidence, "crm.test", 443) is None
        assert before in INVENTORY
        await house.edit(inventory=INVENTORY.replace(before, after))
        assert problem(await house.pipeline.admit_call(arrived(get()), None))["reason"] == reason_

    run(tmp_path, scenario)


def test_a_suspended_or_ended_task_stops_open_connections(tmp_path):
    """Suspended: calls are refused and what runs is cut, until it is resumed. Ended: for good."""

    async def scenario(house):
        task = await begun(house)
        assert await house.pipeline.admit_tunnel("conn_1", await house.evidence(task=task.id), "crm.test", 443) is None
        released = await house.pipeline.admit_call(arrived(get()), None)
        assert house.pipeline.still_allowed("conn_1", released) is None
        await house.tasks.suspend(task.id, by="test", reason="odd", now=house.clock())
        assert house.pipeline.still_allowed("conn_1", released) == "task_suspended"
        assert problem(await house.pipeline.admit_call(arrived(get()), None))["reason"] == "task_suspended"
        await house.tasks.resume(task.id, by="test", reason="fine", now=house.clock())
        assert house.pipeline.still_allowed("conn_1", released) is None
        await house.tasks.end(task.id, "completed", by="test", reason="done", now=house.clock())
        assert house.pipeline.still_allowed("conn_1", released) == "task_revoked"
        assert problem(await house.pipeline.admit_call(arrived(get()), None))["reason"] == "task_revoked"
        await house.revocations.lift(f"task:{task.id}")
        assert problem(await house.pipeline.admit_call(arrived(get()), None))["reason"] == "task_ended"

    run(tmp_path, scenario)


def test_nothing_lives_longer_than_the_task(tmp_path):
    """A handle for an hour under a task of ten minutes ends after ten."""

    async def scenario(house):
        task = await begun(house)
        evidence = await house.evidence(task=task.id)
        assert await house.pipeline.admit_tunnel("conn_1", evidence, "crm.test", 443) is None
        released = await house.pipeline.admit_call(arrived(get()), None)
        house.clock.now += 600
        await house.hear()
        assert house.pipeline.still_allowed("conn_1", released) == "identity_expired"
        assert problem(await house.pipeline.admit_call(arrived(get()), None))["reason"] == "identity_expired"

    run(tmp_path, scenario)


@pytest.mark.parametrize("whose", ["its own", "above"])
def test_reclassification_ends_what_runs_under_older_tasks(tmp_path, whose):
    """The agent is privileged now, or that of the task above: what runs is cut, and a new handle is no help."""

    async def scenario(house):
        above = await begun(house, agent="other-bot") if whose == "above" else None
        task = await begun(house, above.id if above is not None else None)
        assert await house.pipeline.admit_tunnel("conn_1", await house.evidence(task=task.id), "crm.test", 443) is None
        released = await house.pipeline.admit_call(arrived(get()), None)
        house.clock.now += 61
        await house.hear()
        assert house.pipeline.still_allowed("conn_1", released) is None
        await reclassify(house, "support-bot" if whose == "its own" else "other-bot")
        assert house.pipeline.still_allowed("conn_1", released) == "task_ended"
        assert problem(await house.pipeline.admit_call(arrived(get()), None))["reason"] == "task_ended"
        assert await reason(house, get(), task) == "task_ended"
        assert house.feed.epochs.rows == ()  # none of that is the sweep's doing, which may be late
        await house.tasks.sweep(house.clock())
        assert house.pipeline.still_allowed("conn_1", released) in {"task_ended", "task_revoked"}
        assert (await house.tasks.find(task.id)).state == "expired"

    run(tmp_path, scenario, rules=OwnershipRules(privileged_task_seconds=60))


async def reclassify(house, agent):
    """The files call it privileged, and Olivia has attested it as such."""
    said = Attestation(
        id="a1", what=f"agent:{agent}", owner="olivia", agent_class="privileged", digest="sha256:1", person="olivia",
        at=house.clock(),
    )  # fmt: skip
    house.keeper.hold(Held(attestations={f"agent:{agent}": said}))
    await house.edit(inventory=INVENTORY.replace(f"{{id: {agent},", f"{{id: {agent}, agent_class: privileged,"))


def test_only_calls_that_go_upstream_are_spent(tmp_path):
    """A denied call costs nothing, one that is refused later or not sent is given back, one that was sent stays."""

    async def scenario(house):
        budget = Budget(calls=1, spend=(Spend("crm/create_refund", "amount", 50 * UNIT),))
        task = await begun(house, budget=budget)
        assert await reason(house, refund(60), task) == "task_budget_spent"
        (house.folder / "crm.key").unlink()  # the credential is prepared after the budget is counted
        assert await reason(house, refund(50), task) == "credential_unavailable"
        (house.folder / "crm.key").write_text("crm-secret-4711-abcdef")
        await house.pipeline.drain()
        assert await house.tasks.spent(task.id) == {"calls": 0, "crm/create_refund:amount": 0}
        evidence = await house.evidence(task=task.id)
        unsent = await house.released(refund(50), evidence=evidence)
        house.pipeline.unsent(unsent, "no connection")
        await house.pipeline.drain()
        sent = await house.released(refund(50), evidence=evidence)
        house.answer(sent, 500)
        await house.pipeline.drain()
        assert await house.tasks.spent(task.id) == {"calls": 1, "crm/create_refund:amount": 50 * UNIT}
        assert (await house.refused(get(), evidence=evidence))["reason"] == "task_budget_spent"

    run(tmp_path, scenario)


def test_a_denied_call_costs_nothing(tmp_path):
    """Policy is asked first."""

    async def scenario(house):
        task = await begun(house, budget=Budget(calls=1))
        assert await reason(house, refund(5), task) == "forbidden"
        assert await house.tasks.spent(task.id) == {"calls": 0}

    run(tmp_path, scenario, policies=POLICIES + DENY_REFUNDS)


def test_calls_at_once_never_spend_more_than_the_budget(tmp_path):
    """Twenty calls at the same time under a task of five: five go on."""

    async def scenario(house):
        task = await begun(house, budget=Budget(calls=5))
        evidence = await house.evidence(task=task.id)
        verdicts = await asyncio.gather(
            *(house.pipeline.admit_call(arrived(get(), connection=f"conn_{n}"), evidence) for n in range(20))
        )
        assert sum(not hasattr(one, "body") for one in verdicts) == 5

    run(tmp_path, scenario)


def test_an_agent_that_leaves_while_it_is_refused_leaves_nothing_counted(tmp_path):
    """What its call cost is given back, and nothing is under way in its task, though its approval is not yet free."""

    async def scenario(house):
        task = await begun(house, budget=Budget(calls=5))
        given = await house.evidence(task=task.id)
        await house.approve(await house.held(refund(), evidence=given))
        refusing, go_on = asyncio.Event(), asyncio.Event()

        class Stuck:
            def __getattr__(self, name):
                return getattr(house.holds, name)

            async def sent(self, *_, **__):
                raise StoreUnavailable("down")

            async def not_sent(self, *_, **__):
                refusing.set()
                await go_on.wait()

        house.broken(holds=Stuck())
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        await refusing.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert house.parts.tasks.heard_of() == {task.id}
        assert house.parts.tasks.heard_of() == set()
        await house.parts.tasks.drain()
        assert await house.tasks.spent(task.id) == {"calls": 0}
        go_on.set()
        await house.pipeline.drain()

    run(tmp_path, scenario)
