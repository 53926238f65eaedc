"""What was behind a transaction token, for those who may know."""

import asyncio
from typing import Any

import pytest

from proxy.stages import Presence, Principal
from proxy.tasks.delegation import Proof
from proxy.tasks.task import NewTask, Task
from tests.fakes.control_house import House, call_record

TXN = "4bf92f3577b34da6a3ce929d0e0e4736"
PERSON = Principal("human", "frank")
FRANK = Proof("access_token", "verified", "sha256:frank", Presence(1_700_000_000, "urn:mfa", ("otp",)))
TOOLS = ("payments/refund",)
SPAWNED = Proof("opaque_handle", "verified", "sha256:handle")


async def told(house: House, task: str = "", **changes: Any) -> None:
    """A call of the builder to payments, of which that service was told."""
    record = call_record("call.decided", "call_9", "builder", "bob") | {"task": task, "downstream": {"txn": "txn_1"}}
    record["delegation"] |= {"methods": ["opaque_handle"]}
    await house.log.append(record | changes)
    done = {"type": "call.completed", "call": "call_9", "trace": {"id": TXN}, "upstream": {"status": 200}}
    await house.log.append(done)


async def handed_on(house: House) -> Task:
    """Frank's task, a part of which the support bot handed on to the builder."""
    whole = NewTask(
        "support-bot", "refunds", house.now + 600, TOOLS, principal=Principal("human", "frank"), proof=FRANK
    )
    above = await house.tasks.create(whole, by="agent:support-bot", now=house.now)
    part = NewTask("builder", "one refund", house.now + 60, TOOLS, proof=SPAWNED, grant="token_exchange")
    return await house.tasks.create(part, parent=above.id, by="agent:builder", now=house.now)


def test_each_hop_is_told_with_its_evidence(house: House) -> None:
    """From the human on: how it was proven, by what, when, and when they signed in; with the call, and what became of
    it. No credential is in it, only digests."""

    async def scenario() -> None:
        task = await handed_on(house)
        await told(house, task.id)
        async with house.operator() as client:
            answer = await client.get(f"/v1/transactions/{TXN}")
        said = answer.json()
        assert (said["txn"], said["jti"], said["call"], said["task"]) == (TXN, "txn_1", "call_9", task.id)
        assert (said["purpose"], said["tool"], said["ending"], said["status"]) == (
            "one refund",
            "refund",
            "served",
            200,
        )
        assert said["root"] == "human:frank"
        first, second = said["hops"]
        assert first == {
            "to": "agent:support-bot", "level": "verified", "method": "access_token", "grant": "consent",
            "at": house.now, "evidence": "sha256:frank", "digest": task.delegation.links[0].digest,
            "auth_time": 1_700_000_000, "acr": "urn:mfa", "amr": ["otp"],
        }  # fmt: skip
        assert (second["to"], second["method"], second["grant"]) == ("agent:builder", "opaque_handle", "token_exchange")
        assert (second["evidence"], second["digest"]) == ("sha256:handle", task.delegation.links[1].digest)

    asyncio.run(scenario())


def test_under_no_task_the_log_tells_what_there_is(house: House) -> None:
    """A handle's call, or one whose task was forgotten long ago: the hops, without evidence."""

    async def scenario() -> None:
        await told(house, "task_forgotten")
        async with house.operator() as client:
            said = (await client.get(f"/v1/transactions/{TXN}")).json()
        assert (said["root"], said["purpose"]) == ("human:frank", None)
        assert said["hops"] == [{"to": "agent:builder", "level": "verified", "method": "opaque_handle"}]

    asyncio.run(scenario())


def test_it_is_for_those_who_may_see_the_call_and_those_who_answer_for_its_service(house: House) -> None:
    """The agent's owner, an auditor, the owner of the service that was told; to everybody else it does not exist."""

    async def scenario() -> None:
        services = dict(house.facts.services)
        services["payments"] = services["payments"].model_copy(update={"owner": "alice"})
        house.facts = house.facts.model_copy(update={"services": services})
        await told(house)
        for person, status in (("alice", 200), ("bob", 200), ("carol", 200), ("frank", 404)):
            async with await house.person(person) as client:
                answer = await client.get(f"/v1/transactions/{TXN}")
                assert answer.status_code == status, person
                call = await client.get("/v1/calls/call_9")
                assert call.status_code == (
                    404 if person == "alice" else status
                )  # a service is told of its chain alone

    asyncio.run(scenario())


@pytest.mark.parametrize("txn", ["0" * 32, "txn_1", "call_9", TXN.upper(), "..%2f..", "x" * 3000])
def test_what_no_service_was_told_of_is_no_transaction(house: House, txn: str) -> None:
    """Neither another id, nor anything that is written otherwise."""

    async def scenario() -> None:
        await told(house)
        async with house.operator() as client:
            answer = await client.get(f"/v1/transactions/{txn}")
        assert answer.status_code == 404

    asyncio.run(scenario())


def test_a_call_of_which_no_service_was_told_is_no_transaction(house: House) -> None:
    """Its trace is one, and there was no token."""

    async def scenario() -> None:
        await house.tell_calls()
        async with house.operator() as client:
            answer = await client.get(f"/v1/transactions/{TXN}")
        assert (answer.status_code, answer.json()["code"]) == (404, "transaction_unknown")

    asyncio.run(scenario())
