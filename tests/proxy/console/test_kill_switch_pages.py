"""The kill switch as a page: what stands, what would stop, and that nothing stops before it was seen."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.console import kill_switch_pages as module
from proxy.console import words
from proxy.console.kill_switch_pages import MOST_OVER, seen
from proxy.control.kill_switch import KINDS
from tests.fakes.console_house import ConsoleHouse, hidden
from tests.fakes.control_house import ORIGIN


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ConsoleHouse]:
    """A house in which the SOC are auditors and responders."""
    made = ConsoleHouse(tmp_path, responders=frozenset({"soc"}))
    yield made
    made.close()


async def confirmed(client: httpx.AsyncClient, scope: str, effect: str, reason: str = "incident 7") -> dict[str, str]:
    """The fields of the confirming form for this scope."""
    csrf = hidden((await client.get("/kill-switch")).text)["csrf"]
    kind, _, name = scope.partition(":")
    fields = {"csrf": csrf, "kind": kind, "name": name, "effect": effect, "reason": reason}
    answer = await client.post("/kill-switch/confirm", data=fields)
    assert answer.status_code == 200, answer.text
    return hidden(answer.text)


def in_force(house: ConsoleHouse) -> list[tuple[str, str, str]]:
    return sorted((row.scope, row.kind, row.by) for row in house.revocations.in_force())


def test_every_kind_of_scope_has_a_word() -> None:
    """No scope is shown as its code alone."""
    assert set(KINDS) == set(words.SCOPES)


def test_who_ends_a_persons_work_reads_that_a_new_sign_in_counts(house: ConsoleHouse) -> None:
    """Before it is done, and only where it is true: of a person, and not of a freeze."""

    async def scenario() -> None:
        async with await house.visitor("carol") as client:
            csrf = hidden((await client.get("/kill-switch")).text)["csrf"]
            asked = {"csrf": csrf, "reason": "stolen"}
            told = {}
            for kind, name, effect in (
                ("principal", "frank", "revoke"),
                ("principal", "frank", "freeze"),
                ("agent", "support-bot", "revoke"),
            ):
                fields = asked | {"kind": kind, "name": name, "effect": effect}
                text = (await client.post("/kill-switch/confirm", data=fields)).text
                told[kind, effect] = "What is issued for them from now on lives" in text
        assert told == {("principal", "revoke"): True, ("principal", "freeze"): False, ("agent", "revoke"): False}

    asyncio.run(scenario())


@pytest.mark.parametrize("effect", ["revoke", "freeze"])
def test_an_owner_stops_their_agent_after_seeing_what_dies(house: ConsoleHouse, effect: str) -> None:
    """The first step names the agent, its handles and its tasks and does nothing; the second does it and shows it."""

    async def scenario() -> None:
        task = await house.begin()
        for _ in range(3):
            await house.handles.issue(
                agent="support-bot", purpose="", ttl=60, issued_by="t", now=house.now, task=task.id
            )
        before = len(house.log.records)
        async with await house.visitor("alice") as client:
            page = (await client.get("/kill-switch?kind=agent")).text
            assert '<option value="support-bot"' in page
            assert "builder" not in page
            fields = {"csrf": hidden(page)["csrf"], "kind": "agent", "name": "support-bot"}
            fields |= {"effect": effect, "reason": "<i>odd</i>"}
            asked = await client.post("/kill-switch/confirm", data=fields)
            assert asked.status_code == 200
            assert "<dt>Live handles</dt><dd><b>3</b></dd>" in asked.text
            assert "<dt>Open tasks</dt><dd><b>1</b></dd>" in asked.text
            assert "Answers customers and refunds orders" in asked.text
            assert (in_force(house), len(house.log.records)) == ([], before)
            done = await client.post("/kill-switch/stop", data=hidden(asked.text) | {"reason": "<i>odd</i>"})
            assert (done.status_code, done.headers["location"]) == (303, "/kill-switch")
            page = (await client.get("/kill-switch")).text
            assert words.STOPS[effect] in page
            assert "&lt;i&gt;odd&lt;/i&gt;" in page
            assert "Lift it" in page
        assert in_force(house) == [("agent:support-bot", effect, "person:alice")]
        change = house.log.records[-1]["change"]
        assert (change["kind"], change["by"], change["what"]) == (effect, "person:alice", "agent:support-bot")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("scope", "status"),
    [("agent:builder", 403), ("agent:nobody", 403), ("global", 403), ("owner:alice", 403), ("nonsense:x", 422)],
)
def test_an_owner_stops_nothing_that_is_not_theirs(house: ConsoleHouse, scope: str, status: int) -> None:
    """Not by the page, whose choices leave it out, and not by a form made by hand, in either step."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            csrf = hidden((await client.get("/kill-switch")).text)["csrf"]
            kind, _, name = scope.partition(":")
            common = {"csrf": csrf, "effect": "revoke", "reason": "x"}
            for path, fields in (
                ("/kill-switch/confirm", {"kind": kind, "name": name}),
                ("/kill-switch/stop", {"scope": scope, "seen": "nothing"}),
                ("/kill-switch/lift", {"scope": scope, "seen": "nothing"}),
            ):
                answer = await client.post(path, data=common | fields)
                assert (answer.status_code, "Nothing was done." in answer.text) == (status, True), path
        assert in_force(house) == []
        assert house.log.records == []

    asyncio.run(scenario())


def test_an_auditor_who_is_no_responder_only_looks(tmp_path: Path) -> None:
    """Without `control.responders` nobody in the console stops what they do not answer for."""
    house = ConsoleHouse(tmp_path)

    async def scenario() -> None:
        await house.revocations.revoke("agent:builder", "operator:uid=0", "incident", house.now)
        async with await house.visitor("carol") as client:
            page = (await client.get("/kill-switch")).text
            assert "agent:builder" in page
            assert "Lift it" not in page
            assert "Nothing here is yours to stop" in page
            assert "See what would stop" not in page
            fields = {"csrf": hidden(page)["csrf"], "scope": "agent:support-bot", "seen": "nothing"}
            answer = await client.post("/kill-switch/stop", data=fields | {"effect": "freeze", "reason": "x"})
            assert answer.status_code == 403
        assert [scope for scope, _, _ in in_force(house)] == ["agent:builder"]

    asyncio.run(scenario())
    house.close()


@pytest.mark.parametrize(
    "scope", ["agent:builder", "team:support", "service:payments", "tool:payments/refund", "global"]
)
def test_a_responder_stops_anything_and_lifts_their_own(house: ConsoleHouse, scope: str) -> None:
    """With their name on it, from the page alone; and so back again."""

    async def scenario() -> None:
        async with await house.visitor("carol") as client:
            fields = await confirmed(client, scope, "freeze")
            assert (await client.post("/kill-switch/stop", data=fields)).status_code == 303
            assert in_force(house) == [(scope, "freeze", "person:carol")]
            row = house.revocations.in_force()[0]
            lifting = {"csrf": fields["csrf"], "scope": scope, "effect": "freeze", "seen": seen(row), "reason": "over"}
            assert (await client.post("/kill-switch/lift", data=lifting)).status_code == 303
        assert in_force(house) == []

    asyncio.run(scenario())


def test_a_responder_does_not_lift_what_the_operator_ended(house: ConsoleHouse) -> None:
    """Nor what another responder ended, and nobody's end is taken over to lift it; nor is it by a freeze."""

    async def scenario() -> None:
        for scope, by in (("agent:builder", "operator:uid=0"), ("global", "person:frank")):
            await house.revocations.revoke(scope, by, "incident", house.now)
        rows = {row.scope: row for row in house.revocations.in_force()}
        async with await house.visitor("carol") as client:
            page = (await client.get("/kill-switch")).text
            assert "Lift it" not in page
            csrf = hidden(page)["csrf"]
            for scope, row in rows.items():
                fields = {"csrf": csrf, "scope": scope, "seen": seen(row), "effect": "revoke", "reason": "x"}
                assert (await client.post("/kill-switch/stop", data=fields)).status_code == 409
                assert (await client.post("/kill-switch/lift", data=fields)).status_code == 409
                assert house.log.records == []
            fields |= {"effect": "freeze"}
            assert "ended as well" in (await client.post("/kill-switch/stop", data=fields)).text
            assert (await client.post("/kill-switch/lift", data=fields | {"effect": "revoke"})).status_code == 409
        assert set(rows.values()) <= set(house.revocations.in_force())

    asyncio.run(scenario())


def test_an_owner_does_not_lift_what_a_responder_ended(house: ConsoleHouse) -> None:
    """The owner may be part of the incident; ending it again under their own name is refused too."""

    async def scenario() -> None:
        await house.revocations.revoke("agent:support-bot", "person:carol", "incident", house.now)
        (row,) = house.revocations.in_force()
        async with await house.visitor("alice") as client:
            page = (await client.get("/kill-switch")).text
            assert "Lift it" not in page
            assert "Let it call again" not in (await client.get("/agents/support-bot")).text
            fields = {"csrf": hidden(page)["csrf"], "scope": row.scope, "seen": seen(row), "reason": "x"}
            fields |= {"effect": "revoke"}
            for path in ("/kill-switch/lift", "/agents/support-bot/lift", "/kill-switch/stop"):
                assert (await client.post(path, data=fields)).status_code == 409
        assert house.revocations.in_force() == [row]

    asyncio.run(scenario())


def test_the_same_confirmation_sent_twice_is_done_once(house: ConsoleHouse) -> None:
    """A double click, or a page that is loaded again, finds it done."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            fields = await confirmed(client, "agent:support-bot", "revoke")
            for _ in range(2):
                assert (await client.post("/kill-switch/stop", data=fields)).status_code == 303
        assert house.log.types() == ["revocation.put"]

    asyncio.run(scenario())


def test_what_has_changed_since_it_was_seen_is_looked_at_again(house: ConsoleHouse) -> None:
    """Somebody else froze it meanwhile: nothing is done, and the page says what stands now; then it can be done."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            fields = await confirmed(client, "agent:support-bot", "revoke")
            await house.revocations.revoke("agent:support-bot", "person:eve", "odd", house.now, kind="freeze")
            stale = await client.post("/kill-switch/stop", data=fields)
            assert stale.status_code == 409
            assert "Frozen already" in stale.text
            assert in_force(house) == [("agent:support-bot", "freeze", "person:eve")]
            lifting = {"csrf": fields["csrf"], "scope": "agent:support-bot", "seen": "nothing", "reason": "x"}
            lifting |= {"effect": "freeze"}
            assert (await client.post("/kill-switch/lift", data=lifting)).status_code == 409
            assert (await client.post("/kill-switch/stop", data=hidden(stale.text))).status_code == 303
        assert in_force(house) == [
            ("agent:support-bot", "freeze", "person:eve"), ("agent:support-bot", "revoke", "person:alice"),
        ]  # fmt: skip

    asyncio.run(scenario())


def test_what_is_ended_and_frozen_is_shown_as_both_and_lifted_one_by_one(house: ConsoleHouse) -> None:
    """Each has its own line and its own lift; both are shown before more is stopped; each lift names its own."""

    async def scenario() -> None:
        for kind in ("revoke", "freeze"):
            await house.revocations.revoke("principal:frank", "person:carol", f"why {kind}", house.now, kind=kind)
        rows = {row.kind: row for row in house.revocations.in_force()}
        async with await house.visitor("carol") as client:
            page = (await client.get("/kill-switch")).text
            for kind, row in rows.items():
                assert page.count(f"why {kind}") == 1
                assert f'name="effect" value="{kind}"' in page
                assert f'name="seen" value="{seen(row)}"' in page
            fields = await confirmed(client, "principal:frank", "freeze")
            assert fields["seen"] == seen(*rows.values())
            lifting = {"csrf": fields["csrf"], "scope": "principal:frank", "reason": "x"}
            for wrong in ({"seen": seen(rows["revoke"])}, {"seen": seen(rows["revoke"]), "effect": "freeze"}):
                assert (await client.post("/kill-switch/lift", data=lifting | wrong)).status_code in {409, 422}
                assert len(in_force(house)) == 2
            lifting |= {"seen": seen(rows["freeze"]), "effect": "freeze"}
            assert (await client.post("/kill-switch/lift", data=lifting)).status_code == 303
        assert in_force(house) == [("principal:frank", "revoke", "person:carol")]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "wrong", [{"reason": " "}, {"effect": ""}, {"effect": "melt"}, {"name": ""}, {"name": "no such"}, {"kind": ""}]
)
def test_an_incomplete_form_stops_nothing(house: ConsoleHouse, wrong: dict[str, str]) -> None:
    """It is said what is missing, and what was typed is kept."""

    async def scenario() -> None:
        async with await house.visitor("carol") as client:
            csrf = hidden((await client.get("/kill-switch")).text)["csrf"]
            fields = {"csrf": csrf, "kind": "agent", "name": "support-bot", "effect": "revoke", "reason": "kept words"}
            answer = await client.post("/kill-switch/confirm", data=fields | wrong)
            assert answer.status_code in {403, 404, 422}
            assert "Nothing was done." in answer.text
            assert ("kept words" in answer.text) is ("reason" not in wrong)
        assert in_force(house) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["confirm", "stop", "lift"])
def test_only_our_own_page_stops_anything(house: ConsoleHouse, path: str) -> None:
    """Another site's form, no token, another person's token: nothing happens."""

    async def scenario() -> None:
        async with await house.visitor("carol") as client, await house.visitor("alice") as other:
            good = await confirmed(client, "global", "revoke")
            good |= {"kind": "global", "name": ""}
            theirs = hidden((await other.get("/kill-switch")).text)["csrf"]
            tries: list[tuple[dict[str, str], dict[str, Any]]] = [
                ({"origin": "https://evil.example"}, good),
                ({"origin": ORIGIN}, good | {"csrf": theirs}),
                ({"origin": ORIGIN}, {name: value for name, value in good.items() if name != "csrf"}),
            ]
            for headers, fields in tries:
                answer = await client.post(f"/kill-switch/{path}", data=fields, headers=headers)
                assert answer.status_code == 403
        assert in_force(house) == []
        assert house.log.records == []

    asyncio.run(scenario())


def test_stopping_does_not_wait_for_the_log_and_says_so(house: ConsoleHouse) -> None:
    """With a broken log the agent is stopped all the same; lifting it is not done."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            fields = await confirmed(client, "agent:support-bot", "freeze")
            house.log.broken = True
            done = await client.post("/kill-switch/stop", data=fields)
            assert (done.status_code, "not in the audit log yet" in done.text) == (200, True)
            (row,) = house.revocations.in_force()
            lifting = {"csrf": fields["csrf"], "scope": row.scope, "effect": "freeze", "seen": seen(row), "reason": "x"}
            assert (await client.post("/kill-switch/lift", data=lifting)).status_code == 503
        assert in_force(house) == [("agent:support-bot", "freeze", "person:alice")]

    asyncio.run(scenario())


def test_a_responder_goes_further_than_the_operator_and_does_not_take_it_over(house: ConsoleHouse) -> None:
    """What the operator froze a responder may end, and lift that end again; it stays frozen by the operator."""

    async def scenario() -> None:
        await house.revocations.revoke("agent:builder", "operator:uid=0", "odd", house.now, kind="freeze")
        async with await house.visitor("carol") as client:
            fields = await confirmed(client, "agent:builder", "revoke", "worse than that")
            assert (await client.post("/kill-switch/stop", data=fields)).status_code == 303
            rows = {row.kind: row for row in house.revocations.in_force()}
            assert {kind: row.by for kind, row in rows.items()} == {
                "freeze": "operator:uid=0",
                "revoke": "person:carol",
            }
            for kind, status in (("freeze", 409), ("revoke", 303)):
                lifting = {"csrf": fields["csrf"], "scope": "agent:builder", "effect": kind, "reason": "x"}
                answer = await client.post("/kill-switch/lift", data=lifting | {"seen": seen(rows[kind])})
                assert answer.status_code == status
        assert in_force(house) == [("agent:builder", "freeze", "operator:uid=0")]

    asyncio.run(scenario())


def test_many_names_are_typed_and_few_are_chosen(house: ConsoleHouse) -> None:
    """More names than a list can bear are offered by a field; an unknown kind falls back to the first."""

    async def scenario() -> None:
        agent = house.facts.agents["builder"]
        many = {f"agent-{number}": agent.model_copy(update={"id": f"agent-{number}"}) for number in range(300)}
        house.facts = house.facts.model_copy(update={"agents": {**house.facts.agents, **many}})
        async with await house.visitor("carol") as client:
            page = (await client.get("/kill-switch?kind=agent&name=%22%3E<script>")).text
            assert '<datalist id="names">' in page
            assert "<script>&" not in page
            assert '"><script>' not in page
            assert "<select" in (await client.get("/kill-switch?kind=team")).text
            assert 'name="kind" value="agent"' in (await client.get("/kill-switch?kind=odd")).text
            asked = await client.post(
                "/kill-switch/confirm",
                data={"csrf": hidden(page)["csrf"], "kind": "global", "name": "", "effect": "revoke", "reason": "x"},
            )
            assert "and 283 more" in asked.text

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("scope", "effect", "anew", "counted"),
    [
        ("principal:frank", "revoke", True, True), ("principal:frank", "freeze", False, True),
        ("agent:support-bot", "revoke", False, True), ("token:https://idp.example|t", "revoke", False, False),
    ],
)  # fmt: skip
def test_the_page_says_how_far_an_end_goes(
    house: ConsoleHouse, scope: str, effect: str, *, anew: bool, counted: bool
) -> None:
    """A person who signs in again calls again; what is under a token is counted by nobody, and not said to be none."""

    async def scenario() -> None:
        kind, _, name = scope.partition(":")
        async with await house.visitor("carol") as carol:
            csrf = hidden((await carol.get("/kill-switch")).text)["csrf"]
            fields = {"csrf": csrf, "kind": kind, "name": name, "effect": effect, "reason": "x"}
            page = (await carol.post("/kill-switch/confirm", data=fields)).text
        assert ("What is issued for them from now on lives" in page) is anew
        assert ("Live handles" in page) is counted

    asyncio.run(scenario())


def test_a_page_has_no_more_than_can_be_read(house: ConsoleHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of what is stopped, and where all of it is; what is not on the page can be lifted all the same."""
    monkeypatch.setattr(module, "MOST_STANDING", 2)

    async def scenario() -> None:
        for n, name in enumerate(("frank", "alice", "bob")):
            await house.revocations.revoke(f"principal:{name}", "person:carol", "gone", house.now + n)
        async with await house.visitor("carol") as carol:
            page = (await carol.get("/kill-switch")).text
            assert ("principal:bob" in page, "principal:alice" in page, "principal:frank" in page) == (
                True,
                True,
                False,
            )
            assert "The last 2. <code>countersign revocations</code>" in page
            row = house.revocations.epochs.of("principal:frank", "revoke")
            assert row is not None
            form = {"csrf": hidden(page)["csrf"], "scope": "principal:frank", "effect": "revoke", "reason": "back"}
            assert (await carol.post("/kill-switch/lift", data=form | {"seen": "nothing"})).status_code == 409
            assert (await carol.post("/kill-switch/lift", data=form | {"seen": module.seen(row)})).status_code == 303

    asyncio.run(scenario())


def test_sign_ins_that_an_identity_provider_ended_are_only_counted(house: ConsoleHouse) -> None:
    """There may be thousands a day: what a person ended must not drown among them, nor the page grow with them."""

    async def scenario() -> None:
        for n in range(MOST_OVER + 1):
            who = f"principal:https://idp.example|user-{n}"
            await house.revocations.revoke(who, "transmitter:https://idp.example", "signed out", house.now)
        await house.revocations.revoke("principal:frank", "operator:uid=0", "gone", house.now)
        async with await house.visitor("carol") as carol:
            page = (await carol.get("/kill-switch")).text
        assert f"{MOST_OVER} or more single tasks, handles, tokens and sign-ins that are over" in page
        stopped, _, counted = page.partition("that are over")
        assert "principal:frank" in stopped
        assert "user-1" not in stopped
        assert "user-1" in counted

    asyncio.run(scenario())
