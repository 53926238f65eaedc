"""Whatever breaks on the path of a call, the call does not pass, and the log says why with all that was known."""

import asyncio
import json
from dataclasses import replace

import pytest

from proxy import account
from proxy import pipeline as module
from proxy.errors import Refusal, StoreUnavailable
from proxy.listener.guarded import GuardedGate
from proxy.stages import Evidence, Released, Reply
from telemetry.errors import AuditUnavailable
from tests.fakes.waiting import until
from tests.fakes.world import Broken, arrived, get, mcp, problem, refund, run

BUG = RuntimeError("broken on purpose: ada-lovelace-0815")
PARTS = ["world", "resolver", "feed", "broker", "engine", "describe", "redact", "outgoing"]
# Where each of them stands on the path: what a record of its failure already has.
KNOWS = {
    "world": {"client"},
    "feed": {"client"},
    "resolver": {"client"},
    "describe": {"client", "agent"},
    "redact": {"client", "agent"},
    "engine": {"client", "agent", "action.service"},
    "broker": {"client", "agent", "action.service", "decision"},
    "outgoing": {"client", "agent", "action.service", "decision"},
}


def break_part(house, monkeypatch, name: str, error: BaseException) -> None:
    """From now on this part of the path raises this error."""

    def fail(*_, **__):
        raise error

    world = house.keeper.world
    if name == "world":
        house.broken(world=fail)
    elif name == "engine":
        house.broken(world=lambda: replace(world, engine=Broken(error)))
    elif name in {"describe", "redact", "outgoing"}:
        monkeypatch.setattr(module, name, fail)
    else:
        house.broken(**{name: Broken(error)})


@pytest.mark.parametrize("name", PARTS)
def test_a_fault_in_any_part_is_a_refusal(tmp_path, monkeypatch, name, caplog):
    """A bug in a part refuses with 503, tells the operator where, and nobody its text."""

    async def scenario(house):
        given = await house.evidence()
        break_part(house, monkeypatch, name, BUG)
        verdict = await house.pipeline.admit_call(arrived(get()), given)
        assert isinstance(verdict, Reply)
        document = problem(verdict)
        assert (document["status"], document["reason"], document["executed"]) == (503, "internal_error", False)
        assert b"broken on purpose" not in verdict.body
        record = await house.last("call.refused")
        assert record["error"] == {"reason": "internal_error", "status": 503, "internal": "RuntimeError"}
        known = set(record) | {f"action.{key}" for key in record["action"]}
        assert KNOWS[name] <= known
        assert await house.records("call.decided") == ([await house.last("call.decided")] if name == "outgoing" else [])
        assert "RuntimeError at " in caplog.text
        assert "broken on purpose" not in caplog.text

    run(tmp_path, scenario)


@pytest.mark.parametrize("name", ["resolver", "broker", "holds"])
def test_a_store_that_is_down_is_said_to_be(tmp_path, monkeypatch, name):
    """`StoreUnavailable` in any part refuses with its own reason: asking again can help."""

    async def scenario(house):
        given = await house.evidence()
        break_part(house, monkeypatch, name, StoreUnavailable("the disk is gone"))
        document = problem(await house.pipeline.admit_call(arrived(refund() if name == "holds" else get()), given))
        assert (document["status"], document["reason"]) == (503, "store_unavailable")
        assert document["next_action"] == "retry"
        assert (await house.last("call.refused"))["error"]["internal"] == "the disk is gone"

    run(tmp_path, scenario)


def test_a_real_store_that_is_closed_refuses(tmp_path):
    """The store itself, closed under us: no identity, no call."""

    async def scenario(house):
        given = Evidence("127.0.0.1", (("basic", "csh_" + "a" * 43),))
        house.store.close()
        assert problem(await house.pipeline.admit_call(arrived(get()), given))["reason"] == "store_unavailable"
        tunnel = await house.pipeline.admit_tunnel("conn_2", given, "crm.test", 443)
        assert problem(tunnel)["reason"] == "store_unavailable"

    run(tmp_path, scenario)


def test_what_cannot_be_written_down_does_not_happen(tmp_path, caplog):
    """With the audit log closed the call is refused, and so is every other one; the refusal still has its words."""

    async def scenario(house):
        given = await house.evidence()
        house.recorder.close()
        document = problem(await house.pipeline.admit_call(arrived(get()), given))
        assert (document["status"], document["reason"]) == (503, "audit_unavailable")
        tunnel = await house.pipeline.admit_tunnel("conn_2", Evidence("127.0.0.1"), "crm.test", 443)
        assert problem(tunnel)["status"] == 407
        assert "a refusal could not be recorded" in caplog.text

    run(tmp_path, scenario)


@pytest.mark.parametrize("error", [BUG, AuditUnavailable("full")], ids=["bug", "full"])
def test_a_recorder_that_fails_refuses(tmp_path, error):
    """Whatever the recorder raises: no record, no release, and a reply that says so."""

    async def scenario(house):
        given = await house.evidence()
        house.broken(recorder=Broken(error))
        document = problem(await house.pipeline.admit_call(arrived(get()), given))
        assert document["status"] == 503
        assert document["reason"] in {"internal_error", "audit_unavailable"}

    run(tmp_path, scenario)


def test_a_record_that_cannot_be_made_is_no_reason_to_stay_silent(tmp_path, monkeypatch, caplog):
    """A fault in the account itself: the agent gets its refusal, the operator the fault."""

    async def scenario(house):
        given = await house.evidence()

        def fail(*_, **__):
            raise BUG

        monkeypatch.setattr(module.account, "refused", fail)
        document = problem(await house.pipeline.admit_call(arrived(get("/v1/exports/customers")), given))
        assert document["reason"] == "no_permit"
        assert "a refusal could not be recorded" in caplog.text

    run(tmp_path, scenario)


@pytest.mark.parametrize("name", ["feed", "resolver", "world"])
def test_a_tunnel_stays_shut_when_anything_breaks(tmp_path, monkeypatch, name):
    """A fault while a tunnel is asked for: refused, recorded, nothing bound."""

    async def scenario(house):
        given = await house.evidence()
        break_part(house, monkeypatch, name, BUG)
        reply = await house.pipeline.admit_tunnel("conn_1", given, "crm.test", 443)
        assert problem(reply)["reason"] == "internal_error"
        assert (await house.last("call.refused"))["action"]["operation"] == "CONNECT crm.test:443"
        house.pipeline = type(house.pipeline)(house.parts)
        assert problem(await house.pipeline.admit_call(arrived(get()), None))["reason"] == "identity_missing"

    run(tmp_path, scenario)


@pytest.mark.parametrize("where", ["resolver", "holds", "recorder", "sent"])
def test_an_agent_that_leaves_ends_its_call(tmp_path, where):
    """Cancelled at any wait of the path: nothing is released, the log says so, and a reserved use is given back."""

    async def scenario(house):
        started, never, given = asyncio.Event(), asyncio.Event(), await house.evidence()
        hold = ""
        if where in {"sent", "holds"}:
            hold = await house.held(refund(), evidence=given)
            await house.approve(hold)
        sent = refund() if hold else get()

        async def wait(*_, **__):
            started.set()
            await never.wait()

        method = {"resolver": ("resolver", "prove"), "recorder": ("recorder", "append"), "sent": ("holds", "sent")}
        part, name = method.get(where, ("holds", "admit"))
        house.broken(**{part: Waiting(getattr(house.parts, part), name, wait)})
        call = asyncio.create_task(house.pipeline.admit_call(arrived(sent), given))
        await started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gone = await house.last("call.refused")
        assert gone["error"]["reason"] == "client_left"
        if where == "sent":
            assert gone["approval"]["id"] == hold
            assert await house.state(hold) == "approved"

    run(tmp_path, scenario)


@pytest.mark.parametrize("where", ["holds", "sent"])
def test_a_call_that_is_judged_for_too_long_is_said_to_be(tmp_path, where):
    """When our own time runs out, agent and log are told so, and not that the client left; a use is given back."""

    async def scenario(house):
        given, never = await house.evidence(), asyncio.Event()
        hold = await house.held(refund(), evidence=given)
        if where == "sent":
            await house.approve(hold)

        async def wait(*_, **__):
            await never.wait()

        house.broken(holds=Waiting(house.parts.holds, "sent" if where == "sent" else "admit", wait))
        reply = await GuardedGate(house.pipeline, 0.2).admit_call(arrived(refund()), given)
        assert problem(reply)["reason"] == "judged_too_long"
        told = await house.last("call.refused")
        assert (told["error"]["reason"], told["error"]["status"]) == ("judged_too_long", 503)
        assert await house.state(hold) == ("approved" if where == "sent" else "pending")

    run(tmp_path, scenario)


class Waiting:
    """A part, one method of which is replaced."""

    def __init__(self, part, name, method):
        self._part = part
        setattr(self, name, method)

    def __getattr__(self, name):
        return getattr(self._part, name)


@pytest.mark.parametrize("where", ["broker", "outgoing", "confirm", "recorder", "sent"])
def test_a_reserved_use_is_given_back_whatever_breaks_after_it(tmp_path, monkeypatch, where):
    """After the approval's use is reserved, any failure refuses, gives it back, and the next try passes."""

    async def scenario(house):
        given = await house.evidence()
        hold = await house.held(refund(), evidence=given)
        await house.approve(hold)

        async def fail(*_, **__):
            raise BUG

        if where in {"confirm", "sent"}:
            house.broken(holds=Waiting(house.parts.holds, where, fail))
        elif where == "recorder":
            real = house.recorder.append

            async def append(record, salt=b""):
                if record["type"] == "call.resumed":
                    raise AuditUnavailable("full")
                return await real(record, salt)

            house.broken(recorder=Waiting(house.recorder, "append", append))
        else:
            break_part(house, monkeypatch, where, BUG)
        document = problem(await house.pipeline.admit_call(arrived(refund()), given))
        assert document["status"] == 503
        refused = await house.last("call.refused")
        assert refused["approval"]["id"] == hold
        assert await house.state(hold) == "approved"
        monkeypatch.undo()
        house.pipeline = type(house.pipeline)(house.parts)
        released = await house.released(refund(), evidence=given)
        assert released.claim.hold_id == hold
        house.answer(released)

    run(tmp_path, scenario)


def test_a_use_that_cannot_be_given_back_is_still_refused(tmp_path, monkeypatch, caplog):
    """When even giving back fails, the agent is refused in words, and the sweep settles the use later."""

    async def scenario(house):
        given = await house.evidence()
        hold = await house.held(refund(), evidence=given)
        await house.approve(hold)

        async def fail(*_, **__):
            raise BUG

        holds = Waiting(house.parts.holds, "not_sent", fail)
        house.broken(holds=holds, broker=Broken(BUG))
        assert problem(await house.pipeline.admit_call(arrived(refund()), given))["reason"] == "internal_error"
        assert "the sweep will do it" in caplog.text
        assert await house.state(hold) == "releasing"
        house.clock.now += 31
        await house.holds.sweep(house.clock())
        assert await house.state(hold) == "approved"

    run(tmp_path, scenario)


def test_leaving_while_a_use_is_given_back_still_gives_it_back(tmp_path):
    """The agent goes away in the very moment of its refusal: the use is not lost with it."""

    async def scenario(house):
        given = await house.evidence()
        hold = await house.held(refund(), evidence=given)
        await house.approve(hold)
        began, go_on, real = asyncio.Event(), asyncio.Event(), house.parts.holds.not_sent

        async def slow(claim, why):
            began.set()
            await go_on.wait()
            await real(claim, why)

        house.broken(holds=Waiting(house.parts.holds, "not_sent", slow), broker=Broken(BUG))
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        await began.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on.set()
        await house.pipeline.drain()
        await until(lambda: not house.pipeline._background)
        assert await house.state(hold) == "approved"

    run(tmp_path, scenario)


def test_a_verdict_that_we_do_not_know_is_a_refusal(tmp_path):
    """An outcome that is neither allow nor hold is refused, even if it is not called deny."""

    async def scenario(house):
        world, given = house.keeper.world, await house.evidence()

        class Odd:
            def decide(self, asked):
                return replace(world.engine.decide(asked), outcome="perhaps")

        house.broken(world=lambda: replace(world, engine=Odd()))
        assert not isinstance(await house.pipeline.admit_call(arrived(get()), given), Released)

    run(tmp_path, scenario)


UNKNOWN = Refusal("upstream_failed", 502, "The service was called.", extra={"executed": None})


def test_what_became_of_a_released_call_is_told_in_its_own_protocol(tmp_path):
    """HTTP gets a problem document; a tool call of MCP a result that its model reads; both find the call by its ids."""

    async def scenario(house):
        plain = await house.released(get())
        reply = house.pipeline.word(plain, UNKNOWN)
        said = json.loads(reply.body)
        assert (reply.status, said["reason"], said["executed"]) == (502, "upstream_failed", None)
        assert (said["call_id"], said["trace_id"]) == (account.arrived_of(plain.decided).call_id, plain.trace_id)
        tool = await house.released(mcp("tools/call", {"name": "search_notes", "arguments": {}}))
        reply = house.pipeline.word(tool, UNKNOWN)
        result = json.loads(reply.body)["result"]
        assert (reply.status, result["isError"]) == (200, True)
        assert result["content"][0]["text"].startswith("OUTCOME UNKNOWN. The service was called.")
        assert result["_meta"]["dev.countersign/refusal"]["executed"] is None
        listed = await house.released(mcp("tools/list"))
        error = json.loads(house.pipeline.word(listed, UNKNOWN).body)["error"]
        assert error["data"]["trace_id"] == listed.trace_id
        for one in (plain, tool, listed):
            house.answer(one)

    run(tmp_path, scenario)
