"""The path of a call over real parts: what passes, as what, and with which record before it."""

import json
from dataclasses import replace

import pytest

from policies.model import Json, Mode
from proxy.errors import Refusal
from proxy.stages import Released, Reply
from telemetry import reader
from telemetry.redaction import matches
from tests.fakes.world import ADA, INVENTORY, POLICIES, SECRET, arrived, get, mcp, problem, refund, run

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_an_allowed_call_is_released_with_its_credential_and_its_record(tmp_path):
    """What may happen is durable in the log, by who, for whom and under which rules, before it is released."""

    async def scenario(house):
        released = await house.released(get(headers=(("authorization", "Bearer agents-own-token"), ("x-a", "1"))))
        stored = list(reader.records(house.log))[released.record_index]
        assert dict(released.upstream.headers) == {
            "host": "crm.test",
            "x-a": "1",
            "traceparent": f"00-{released.trace_id}-{stored['trace']['up']}-03",
            "authorization": f"Bearer {SECRET}",
        }
        assert (stored["type"], stored["call"]) == (
            "call.decided",
            released.decided.described.attributed.arrived.call_id,
        )
        assert stored["agent"] | {"identity": ""} == {
            "id": "support-bot", "instance": "", "owner": "olivia", "identity": "", "src": "opaque_handle",
        }  # fmt: skip
        assert stored["principal"] == {"kind": "human", "id": "alice"}
        assert stored["delegation"]["chain"] == ["human:alice", "agent:support-bot"]
        assert stored["task"] == "task-1"
        assert stored["action"]["path"] == "/v1/customers/{customer}"
        assert stored["action"]["datasets"] == ["read:customers"]
        assert stored["decision"]["outcome"] == "allow"
        assert stored["decision"]["policy"] == house.keeper.world.version
        assert stored["credential"] == {"id": "crm-key", "reference": f"file:{tmp_path}/crm.key"}
        assert stored["client"]["stripped"] == ["authorization"]
        house.answer(released)

    run(tmp_path, scenario)


def test_a_denied_call_says_what_failed_and_never_which_rule(tmp_path):
    """The agent gets the reason and the question; the record has the rules and the decision."""

    async def scenario(house):
        document = await house.refused(get("/v1/exports/customers"))
        assert (document["status"], document["reason"], document["executed"]) == (403, "no_permit", False)
        record = await house.last("call.refused")
        assert record["call"] == document["call_id"]
        assert record["decision"]["outcome"] == "deny"
        assert record["error"]["status"] == 403
        reply = await house.admit(mcp("tools/call", {"name": "delete_note", "arguments": {"id": 1}}))
        result = json.loads(reply.body)["result"]
        assert result["isError"] is True
        assert "no-deleting" not in reply.body.decode()
        assert (await house.last("call.refused"))["decision"]["rules"] == ["no-deleting"]

    run(tmp_path, scenario)


def test_observing_refuses_nothing_and_records_what_it_would(tmp_path):
    """In observe mode the record says what enforcement would have said."""

    async def scenario(house):
        await house.released(get("/v1/exports/customers"))
        decision = (await house.last("call.decided"))["decision"]
        assert (decision["outcome"], decision["would"], decision["mode"]) == ("allow", "deny", "observe")

    run(tmp_path, scenario, mode=Mode.OBSERVE)


def test_what_is_not_in_the_inventory_is_refused(tmp_path):
    """An unknown place, an unknown tool and an unreadable message: each refused, each on record with what was known."""

    async def scenario(house):
        for sent, reason in (
            (get("/", host="elsewhere.test"), "service_unknown"),
            (get("/v1/customers/%2e%2e"), "path_ambiguous"),
            (replace(refund(), body=b'{"amount":1,"amount":2}'), "body_ambiguous"),
        ):
            document = await house.refused(sent)
            record = await house.last("call.refused")
            assert record["error"]["reason"] == document["reason"], reason
            assert record["agent"]["id"] == "support-bot"
            assert "decision" not in record

    run(tmp_path, scenario)


def test_the_gateway_serves_a_service_by_its_name(tmp_path):
    """Behind the gateway the request becomes the service's own; an unknown name, and nobody, are refused."""

    async def scenario(house):
        sent = replace(get(f"/v1/customers/{ADA}", host="127.0.0.1"), scheme="http", port=8081)
        released = await house.released(sent, entrance="gateway", service="crm")
        assert (released.upstream.scheme, released.upstream.authority) == ("https", "crm.test")
        assert dict(released.upstream.headers)["host"] == "crm.test"
        assert house.pipeline.destination(released).connect == ("127.0.0.1", 8443)
        assert (await house.last("call.decided"))["client"]["entrance"] == "gateway"
        unknown = await house.refused(sent, entrance="gateway", service="nothing")
        assert unknown["reason"] == "service_unknown"
        nobody = await house.pipeline.admit_call(
            arrived(sent, connection="c2", entrance="gateway", service="crm"), None
        )
        assert problem(nobody)["status"] == 401

    run(tmp_path, scenario)


def test_housekeeping_of_mcp_is_judged_and_recorded(tmp_path):
    """`initialize` and `tools/list` pass as lifecycle, with the id they were asked under."""

    async def scenario(house):
        params: dict[str, Json] = {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"},
        }  # fmt: skip
        house.answer(await house.released(mcp("initialize", params)))
        house.answer(await house.released(mcp("tools/call", {"name": "search_notes", "arguments": {"q": ADA}})))
        first, second = await house.records("call.decided")
        assert (first["action"]["lifecycle"], first["action"]["rpc_id"]) == (True, "7")
        assert (second["action"]["tool"], second["action"]["rpc_version"]) == ("search_notes", "2025-06-18")
        assert len(await house.records("call.completed")) == 2

    run(tmp_path, scenario)


def test_only_our_own_house_sees_the_trace(tmp_path):
    """A destination that is not internal gets no trace; what the agent says of its trace is kept as a link only."""

    async def scenario(house):
        released = await house.released(
            mcp("tools/call", {"name": "search_notes", "arguments": {}}), traceparent=f"00-{TRACE}-{SPAN}-00"
        )
        assert "traceparent" not in dict(released.upstream.headers)
        trace = (await house.last("call.decided"))["trace"]
        assert (trace["inbound"], trace["inbound_span"], trace["origin"]) == (TRACE, SPAN, "restarted")
        assert trace["id"] == released.trace_id != TRACE

    run(tmp_path, scenario)


def test_a_messages_own_word_on_its_trace_counts_before_the_headers(tmp_path):
    """`_meta.traceparent` of an MCP message is linked; a malformed one changes nothing."""

    async def scenario(house):
        for meta, linked in ((f"00-{TRACE}-{SPAN}-01", TRACE), ("nonsense", "f" * 32)):
            params: dict[str, Json] = {"name": "search_notes", "arguments": {}, "_meta": {"traceparent": meta}}
            await house.released(mcp("tools/call", params), traceparent=f"00-{'f' * 32}-{SPAN}-01")
            assert (await house.last("call.decided"))["trace"]["inbound"] == linked

    run(tmp_path, scenario)


def test_a_commitment_is_opened_by_its_salt_until_that_is_erased(tmp_path):
    """The log commits to the arguments; the salt that opens the commitment lies beside it, never in it."""

    async def scenario(house):
        await house.released(get())
        refused = await house.refused(get("/v1/exports/customers"))
        held = await house.refused(refund())
        decided = await house.last("call.decided")
        house.recorder.close()
        for call, arguments in (
            (decided["call"], {"customer": ADA}),
            (refused["call_id"], {}),
            (held["call_id"], {"customer": ADA, "amount": 45_000}),
        ):
            (record,) = (one for one in reader.records(house.log) if one.get("call") == call)
            salt = house.salt(call)
            assert matches(record["action"]["args"]["commit"], salt, arguments)
            assert not matches(record["action"]["args"]["commit"], salt, {"customer": "somebody else"})
            entries = b"".join(path.read_bytes() for path in (house.log / "entries").iterdir())
            assert salt.hex().encode() not in entries

    run(tmp_path, scenario)


def test_every_record_of_a_call_commits_alike(tmp_path):
    """A call that was decided, and then refused, has one commitment, so that one salt opens all of its records."""

    async def scenario(house):
        await house.revocations.revoke("agent:other-bot", "test", "an unrelated row", house.clock())
        given, real = await house.evidence(), house.recorder.append

        async def append(record, salt=b""):
            index = await real(record, salt)
            if record["type"] == "call.decided":
                await house.revocations.revoke("task:task-1", "operator", "late", house.clock())
            return index

        house.broken(recorder=_Recording(house.recorder, append))
        assert problem(await house.pipeline.admit_call(arrived(get()), given))["reason"] == "task_revoked"
        decided, refused = await house.records("call.decided", "call.refused")
        assert decided["call"] == refused["call"]
        assert decided["action"]["args"] == refused["action"]["args"]
        assert matches(decided["action"]["args"]["commit"], house.salt(decided["call"]) or b"", {"customer": ADA})

    run(tmp_path, scenario)


class _Recording:
    """A recorder whose `append` a test has wrapped."""

    def __init__(self, recorder, append):
        self._recorder = recorder
        self.append = append

    def __getattr__(self, name):
        return getattr(self._recorder, name)


def test_a_request_that_cannot_be_read_is_on_record(tmp_path):
    """What never became a request is refused in plain HTTP, with an id under which the log has it."""

    async def scenario(house):
        refusal = Refusal("request_ambiguous", 400, "Two lengths.")
        reply = await house.pipeline.refuse(refusal, "conn_9", "10.0.0.9", "POST crm.test/v1/refunds")
        document = problem(reply)
        record = await house.last("call.refused")
        assert (record["call"], record["client"]["ip"]) == (document["call_id"], "10.0.0.9")
        assert record["action"] == {"operation": "POST crm.test/v1/refunds"}

    run(tmp_path, scenario)


def test_an_agent_asks_what_became_of_its_hold(tmp_path):
    """`countersign.internal` answers through the proxy, to the agent that asked and to nobody else."""

    async def scenario(house):
        hold = await house.held(refund())
        ours = get(f"/v1/holds/{hold}", host="countersign.internal")
        answer = await house.admit(ours)
        assert isinstance(answer, Reply)
        assert json.loads(answer.body)["approval_status"] == "pending"
        other = await house.admit(ours, evidence=await house.evidence("other-bot"), connection="conn_2")
        assert other.status == 404

    run(tmp_path, scenario)


def test_no_policy_means_nothing_is_allowed(tmp_path):
    """Without a policy every call is refused: nothing configured, nothing allowed."""

    async def scenario(house):
        assert (await house.refused(get()))["reason"] == "nothing_configured"

    run(tmp_path, scenario, policies="// nothing\n")


@pytest.mark.parametrize("missing", ["secret", "binding"])
def test_a_secret_that_cannot_be_had_refuses_but_no_binding_injects_nothing(tmp_path, missing):
    """A binding whose secret is gone refuses; a service without one gets nothing of ours, nor of the agent's."""

    async def scenario(house):
        if missing == "secret":
            (tmp_path / "crm.key").unlink()
            assert (await house.refused(get()))["reason"] == "credential_unavailable"
            assert (await house.last("call.refused"))["decision"]["outcome"] == "allow"
            assert await house.records("call.decided") == []
        else:
            released = await house.released(get(headers=(("authorization", "Bearer agents-own-token"),)))
            assert isinstance(released, Released)
            assert "authorization" not in dict(released.upstream.headers)

    start = INVENTORY.index("    bindings:")
    without = INVENTORY[:start] + INVENTORY[INVENTORY.index("  - id: notes") :]
    run(tmp_path, scenario, inventory=INVENTORY if missing == "secret" else without, policies=POLICIES)
