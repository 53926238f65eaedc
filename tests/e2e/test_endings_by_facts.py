"""What ends because a day is over or a fact is another: all that goes on under it is cut within a second too."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proxy.holds.model import State
from proxy.stages import Principal
from proxy.tasks.delegation import Proof
from proxy.tasks.task import NewTask
from tests.e2e.ending_house import EndingHouse, Open, turns
from tests.e2e.test_endings import SECOND, ended, scenario
from tests.fakes.waiting import own_time, until

FAR = date(2099, 1, 1)
LEAD = 12.0  # seconds to get everything going before the day ends

# Each agent, and why nothing of it passes on the next day.
BY_DATE = {
    "expiring": "agent_expired",
    "overdue": "agent_review_overdue",
    "hosted": "partner_contract_ended",
    "deputised": "agent_owner_inactive",
    "processing": "principal_inactive",
    "reviewed": "principal_inactive",
    "tasked": "identity_expired",
}


def agent(name: str, *, expires: date = FAR, review: date = FAR, more: str = "owner: olivia") -> str:
    return f"  - {{id: {name}, {more}, purpose: tests, expires: {expires}, review_due: {review}}}\n"


def process(name: str, of: str, *, owner: str = "olivia", expires: date = FAR, review: date = FAR) -> str:
    return (
        f"  - {{id: {name}, owner: {owner}, purpose: tests, trigger: queue, reference: q, agents: [{of}], "
        f"expires: {expires}, review_due: {review}}}\n"
    )


def with_facts(inventory: str, agents: str, processes: str, partner_ends: date = FAR) -> str:
    partner = f"  - {{id: acme, name: Acme, owner: bob, contract: C-1, ends: {partner_ends}, issuers: [acme]}}\n"
    leaver = "  - {id: gone, name: Gone, active: false}\n"
    edited = inventory.replace("people:\n", f"people:\n{leaver}", 1).replace("agents:\n", f"agents:\n{agents}", 1)
    return f"{edited}partners:\n{partner}processes:\n{processes}"


async def handle(house: EndingHouse, name: str, root: Principal | None, deadline: float | None = None) -> str:
    """A handle of this agent, under a task that ends then, and is for this party."""
    now = house.core.clock()
    new = NewTask(
        name,
        "e2e",
        deadline or now + 600,
        ("crm/*", "chat/*"),
        ("read:customers",),
        principal=root,
        proof=Proof("handle", "verified", "sha256:aa"),
    )
    task = await house.core.tasks.create(new, by="e2e", now=now)
    answer = await house.control.post("/v1/handles", json={"agent": name, "task": task.id})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["handle"])


def test_whatever_ends_with_a_day_is_cut_at_midnight(tmp_path: Path) -> None:
    """Agents, reviews, contracts, deputies, processes, tasks: streams, WebSockets and tunnels, busy or silent."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    today = tomorrow - timedelta(days=1)
    midnight = datetime.combine(tomorrow, datetime.min.time(), UTC).timestamp()
    zero = midnight - own_time() - LEAD  # however long others have the processor: nothing of that passes

    def clock() -> float:
        return zero + own_time()

    def edit(inventory: str) -> str:
        deputy = f"owner: gone, deputies: [{{person: bob, start: 2020-01-01, end: {today}}}]"
        agents = agent("expiring", expires=tomorrow) + agent("overdue", review=today)
        agents += agent("hosted", more="owner: olivia, partner: acme") + agent("deputised", more=deputy)
        agents += agent("processing") + agent("reviewed") + agent("tasked")
        processes = process("payroll", "processing", expires=tomorrow) + process("audit", "reviewed", review=today)
        return with_facts(inventory, agents, processes, tomorrow)

    async def story(house: EndingHouse) -> None:
        roots = {"processing": "payroll", "reviewed": "audit"}
        made: dict[str, str] = {}
        for name in BY_DATE:
            root = Principal("business_process", roots[name]) if name in roots else None
            made[name] = await handle(house, name, root, midnight if name == "tasked" else None)
        open_ = {name: await house.open(of) for name, of in made.items()}
        assert clock() < midnight, "it took too long to begin"
        for name, reason in BY_DATE.items():
            last = await house.over(*open_[name].all)
            earliest = -SECOND if name == "tasked" else 0  # a handle lives for whole seconds within its task
            assert zero + last - midnight - earliest >= 0, name
            assert zero + last - midnight < SECOND, name
            status = 407 if name == "tasked" else 403  # what has expired proves nobody
            assert (name, *await house.call(made[name])) == (name, status, reason)

    scenario(tmp_path, story, clock=clock, edit=edit, more="ownership: {when_owner_leaves: deputy}\n")


async def deactivated(house: EndingHouse, person: str) -> None:
    answer = await house.control.post(f"/v1/people/{person}/deactivate", json={"reason": "e2e"})
    assert answer.status_code == 200, answer.text


BY_FACT: dict[str, tuple[str, Principal | None, str]] = {
    "owner": ("plain", None, "agent_owner_inactive"),
    "partner's owner": ("hosted", None, "partner_owner_inactive"),
    "process owner": ("processing", Principal("business_process", "payroll"), "principal_inactive"),
    "principal": ("plain", Principal("human", "alice"), "principal_inactive"),
    "service's owner": ("plain", None, "service_owner_inactive"),
}
LEAVER = {
    "service's owner": "sam",
    "owner": "olivia",
    "partner's owner": "bob",
    "process owner": "alice",
    "principal": "alice",
}


def facts(inventory: str) -> str:
    agents = agent("plain") + agent("hosted", more="owner: olivia, partner: acme") + agent("processing")
    inventory = inventory.replace("people:\n", "people:\n  - {id: sam, name: Sam}\n", 1)
    services, found = re.subn(r"(  - id: (?:crm|chat)\n    owner: )\w+", r"\1sam", inventory)
    assert found == 2
    return with_facts(services, agents, process("payroll", "processing", owner="alice"))


@pytest.mark.parametrize("who", BY_FACT)
def test_who_is_deactivated_takes_along_what_they_answered_for(tmp_path: Path, who: str) -> None:
    """The owner of an agent, of its partner's contract, of its process, of the service; whom it acts for."""

    async def story(house: EndingHouse) -> None:
        name, root, reason = BY_FACT[who]
        made = await handle(house, name, root)
        open_ = await house.open(made)
        began = own_time()
        await deactivated(house, LEAVER[who])
        cut = open_.calls if reason.startswith("service") else open_.all  # a tunnel may lead to another service's call
        assert await house.over(*cut) - began < SECOND
        assert await house.call(made) == (403, reason)

    scenario(tmp_path, story, edit=facts)


PAYROLL = Principal("business_process", "payroll")
SCOPES: dict[str, tuple[str, Principal | None]] = {
    "process:payroll": ("processing", PAYROLL),
    "owner:alice": ("processing", PAYROLL),
    "partner:acme": ("hosted", None),
}


@pytest.mark.parametrize("kind", ["revoke", "freeze"])
@pytest.mark.parametrize("scope", SCOPES)
def test_a_process_and_a_partner_are_ended_and_frozen_as_agents_are(tmp_path: Path, scope: str, kind: str) -> None:
    """Calls are cut; ended, every connection is; frozen, a call waits for its owner."""

    async def story(house: EndingHouse) -> None:
        name, root = SCOPES[scope]
        made = await handle(house, name, root)
        open_ = await house.open(made)
        began = own_time()
        await ended(house, scope, kind)
        assert await house.over(*gone(open_, kind)) - began < SECOND
        expected = (428, "approval_pending") if kind == "freeze" else (403, f"{scope.partition(':')[0]}_revoked")
        assert await house.call(made) == expected
        await ended(house, "global")
        await house.over(*open_.all)

    scenario(tmp_path, story, edit=facts)


def gone(open_: Open, kind: str) -> list[Any]:
    return open_.calls if kind == "freeze" else open_.all


def test_a_suspended_task_cuts_what_goes_on_under_it(tmp_path: Path) -> None:
    """Until it is resumed."""

    async def story(house: EndingHouse) -> None:
        made = await handle(house, "plain", None)
        (task,) = [task for task in await house.core.tasks.list(live=True) if task.agent == "plain"]
        open_ = await house.open(made)
        began = own_time()
        answer = await house.control.post(f"/v1/tasks/{task.id}/suspend", json={"reason": "e2e"})
        assert answer.status_code == 200, answer.text
        assert await house.over(*open_.all) - began < SECOND
        assert (await house.call(made))[0] == 403
        await house.control.post(f"/v1/tasks/{task.id}/resume", json={"reason": "e2e"})
        assert await house.call(made) == (200, "")
        await until(lambda: not house.core.pipeline._under_way)

    scenario(tmp_path, story, edit=facts)


PLAIN = agent("plain")
OLIVIA = "{id: olivia, name: Olivia Owens,"
GONE = "{id: olivia, active: false, name: Olivia Owens,"
EDITS: dict[str, tuple[str, str, set[str]]] = {
    "owner inactive": (OLIVIA, GONE, {"agent_owner_inactive"}),
    "owner inactive beside a mistake": (OLIVIA, f"{{id: nobody, name: 7}}\n  - {GONE}", {"agent_owner_inactive"}),
    "expired": (PLAIN, agent("plain", expires=date(2020, 1, 1)), {"agent_expired"}),
    "review overdue": (PLAIN, agent("plain", review=date(2020, 1, 1)), {"agent_review_overdue"}),
    "nobody's": (PLAIN, PLAIN.replace("owner: olivia, ", ""), {"agent_owner_missing"}),
    "disabled": (PLAIN, PLAIN.replace("owner:", "enabled: false, owner:"), {"agent_disabled"}),
    "removed": (PLAIN, "", {"agent_disabled", "agent_unknown"}),
    "removed, and what policies need": (f"{PLAIN}|name: create_refund", "|name: pay", {"agent_disabled"}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_the_inventorys_file_ends_within_a_second(tmp_path: Path, edit: str) -> None:
    """All that goes on is cut, the next call is refused, what was approved is void; whether or not the rest fits."""
    old, new, reasons = EDITS[edit]

    async def story(house: EndingHouse) -> None:
        made = await handle(house, "plain", None)
        hold = (await house.refund(made))["hold_id"]
        await house.core.holds.vote(
            hold, "olivia", "approve", channel="test", assurance="session", now=house.core.clock()
        )
        open_ = await house.open(made)
        file = tmp_path / "inventory" / "inventory.yaml"
        text = file.read_text()
        for before, after in zip(old.split("|"), new.split("|"), strict=True):
            assert before in text
            text = text.replace(before, after)
        began = own_time()
        file.write_text(text)
        assert await house.over(*open_.all) - began < SECOND
        status, reason = await house.call(made)
        assert (status, reason in reasons) == (403, True), reason
        async with asyncio.timeout(SECOND):
            while (await house.core.holds.get(hold)).state is State.APPROVED:
                await turns()

    scenario(tmp_path, story, edit=facts)
