"""The queue, and the card on which a call is decided."""

import asyncio

import httpx
import pytest

from policies.model import Json
from proxy.console.forgery import token_for
from proxy.holds.view import HoldView
from tests.fakes.console_house import ConsoleHouse, ballot

NASTY: dict[str, Json] = {
    "<script>alert(1)</script>": "<img src=x onerror=alert(1)>",
    "template": "{{ 7*7 }} {% raw %} ${7*7}",
    "quote": "\"'><svg/onload=alert(1)>",
    "bidi": "c_8812\u202e21",
    "hidden": "a\u200bb\U000e0041",
    "alike": "\u0440\u0430ypal",
    "number": 10000000000000001,
    "long": "y" * 3000 + "THE END",
    "htmx": '<div hx-get="/agents/support-bot/end" hx-trigger="load"></div>',
}


async def decide(client: httpx.AsyncClient, view: HoldView, decision: str, **other: str) -> httpx.Response:
    csrf = token_for(client.headers["cookie"].partition("=")[2])
    return await client.post(f"/holds/{view.id}/{decision}", data=ballot(view, csrf, **other))


def test_the_queue_leads_to_what_waits(house: ConsoleHouse) -> None:
    """Effect, risk in words, agent, for whom, time left: on the first screen, soonest end first."""

    async def scenario() -> None:
        view = await house.hold()
        async with await house.visitor("alice") as client:
            text = (await client.get("/")).text
        for part in (
            "1 call waits for you",
            f'href="/holds/{view.id}"',
            "amount = 450",
            "Moves money",
            "support-bot",
            "for Frank Fir",
            "15 min left",
            view.code,
        ):
            assert part in text
        async with await house.visitor("carol") as client:
            text = (await client.get("/")).text
        assert "Nothing waits for you" in text
        assert "Waiting for others" in text

    asyncio.run(scenario())


def test_a_line_that_is_cut_says_by_how_much(house: ConsoleHouse) -> None:
    """Nothing is shortened silently, in the queue or in a card's heading; the arguments are whole."""

    async def scenario() -> None:
        view = await house.hold({"memo": "y" * 3000 + "THE END"})
        async with await house.visitor("alice") as client:
            assert "more characters, open it to see all" in (await client.get("/")).text
            card = (await client.get(f"/holds/{view.id}")).text
        assert "more characters, all of it below" in card
        assert card.count("y" * 3000 + "THE END") == 1

    asyncio.run(scenario())


def test_a_card_tells_everything_in_order(house: ConsoleHouse) -> None:
    """What, why, who, where, with what, signatures, and the decision at the end."""

    async def scenario() -> None:
        view = await house.hold(roles=(("owner",), ("person:bob",)))
        async with await house.visitor("alice") as client:
            text = (await client.get(f"/holds/{view.id}")).text
        parts = [
            "<b>payments/refund</b>", "Moves money", "A refund above 200 EUR needs its owner.",
            "No way to undo it is known.", "Frank Fir", "support-bot", "verified", "OPS-7",
            "POST https://payments.example/v1/refunds",
            "With these arguments", "0 of 1",
            "Your decision", "exactly this call", ">Deny<", ">Approve once<", view.action_digest,
        ]  # fmt: skip
        places = [text.rindex(part) if part == view.action_digest else text.index(part) for part in parts]
        assert places == sorted(places)
        assert "autofocus" not in text

    asyncio.run(scenario())


def test_what_the_agent_wrote_stays_text(house: ConsoleHouse) -> None:
    """Markup, template code, hidden and look-alike characters are shown for what they are, everywhere."""

    async def scenario() -> None:
        view = await house.hold(NASTY, purpose="</dd><script>alert(2)</script>")
        async with await house.visitor("alice") as client:
            await decide(client, view, "deny", reason="<script>alert(3)</script>\u202e")
            pages = [
                (await client.get(path)).text for path in ("/", f"/holds/{view.id}", "/agents/support-bot", "/agents")
            ]
        for text in pages:
            for bad in (
                "<script>alert",
                "<img src=x",
                "<svg",
                '<div hx-get="/agents',
                "\u202e",
                "\u200b",
                "\U000e0041",
            ):
                assert bad not in text
        card = pages[1]
        for part in (
            "{{ 7*7 }}",
            "10000000000000001",
            "U+202E right-to-left override",
            "U+200B",
            "U+E0041",
            "mixed scripts: Cyrillic, Latin",
            "THE END",
            "&lt;img src=x onerror=alert(1)&gt;",
        ):
            assert part in card

    asyncio.run(scenario())


@pytest.mark.parametrize(("decision", "state"), [("approve", "approved"), ("deny", "denied")])
def test_a_decision_is_cast_and_shown(house: ConsoleHouse, decision: str, state: str) -> None:
    """The form's answer leads back to the card, which shows the outcome and no buttons."""

    async def scenario() -> None:
        view = await house.hold()
        async with await house.visitor("alice") as client:
            answer = await decide(client, view, decision, preset="Needs a ticket first", reason="see OPS-9")
            assert (answer.status_code, answer.headers["location"]) == (303, f"/holds/{view.id}")
            card = (await client.get(f"/holds/{view.id}")).text
        assert "Approve once" not in card
        assert "Needs a ticket first: see OPS-9" in card
        assert "Alice Almond" in card
        now = await house.holds.get(view.id)
        assert now.state == state
        assert (now.votes[0].channel, now.votes[0].assurance) == ("console", "session")
        record = next(row for row in house.log.records if row["type"] == "approval.vote_received")
        assert f"display={view.display_digest}" in record["change"]["details"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "wrong",
    [
        {"row_version": "99"},
        {"row_version": ""},
        {"row_version": "1e3"},
        {"row_version": "-1"},
        {"action_digest": "sha256:0"},
        {"action_digest": ""},
        {"display_digest": "sha256:0"},
        {"display_digest": ""},
    ],
)
def test_what_was_not_looked_at_is_not_decided(house: ConsoleHouse, wrong: dict[str, str]) -> None:
    """A stale or incomplete form re-renders the card, keeps what was typed, and decides nothing."""

    async def scenario() -> None:
        view = await house.hold()
        async with await house.visitor("alice") as client:
            answer = await decide(client, view, "approve", reason="typed before", **wrong)
        assert answer.status_code == 409
        assert "Nothing was decided." in answer.text
        assert "Look again" in answer.text
        assert "typed before" in answer.text
        assert f'value="{view.display_digest}"' in answer.text
        assert (await house.holds.get(view.id)).votes == ()
        assert "approval.vote_received" not in house.log.types()

    asyncio.run(scenario())


def test_a_second_persons_vote_makes_the_first_form_stale(house: ConsoleHouse) -> None:
    """The card changed between looking and deciding: it is shown again, and then can be decided."""

    async def scenario() -> None:
        view = await house.hold(roles=(("owner",), ("person:bob",)))
        async with await house.visitor("alice") as alice, await house.visitor("bob") as bob:
            assert (await decide(bob, view, "approve")).status_code == 303
            stale = await decide(alice, view, "approve")
            assert stale.status_code == 409
            assert "1 of 1" in stale.text
            fresh = await house.holds.get(view.id)
            assert (await decide(alice, fresh, "approve")).status_code == 303
        assert (await house.holds.get(view.id)).state == "approved"

    asyncio.run(scenario())


def test_a_call_that_was_decided_elsewhere_is_frozen(house: ConsoleHouse) -> None:
    """A page left open decides nothing more; it shows how it ended."""

    async def scenario() -> None:
        view = await house.hold(roles=(("owner", "deputy"),))
        async with await house.visitor("eve") as eve, await house.visitor("alice") as alice:
            await decide(eve, view, "deny", reason="not today")
            answer = await decide(alice, view, "approve")
        assert answer.status_code == 409
        assert "Denied" in answer.text
        assert "not today" in answer.text
        assert "Approve once" not in answer.text

    asyncio.run(scenario())


def test_who_may_only_look_gets_no_buttons_and_cannot_decide(house: ConsoleHouse) -> None:
    """An auditor sees the card without a form; a form made by hand is refused."""

    async def scenario() -> None:
        view = await house.hold()
        async with await house.visitor("carol") as client:
            text = (await client.get(f"/holds/{view.id}")).text
            assert "Approve once" not in text
            assert "for others to decide" in text
            answer = await decide(client, view, "approve")
            assert answer.status_code == 403
            assert "Nothing was decided." in answer.text
        assert (await house.holds.get(view.id)).votes == ()

    asyncio.run(scenario())


def test_a_denial_without_a_reason_is_asked_for_one(house: ConsoleHouse) -> None:
    """The card comes back and says what is missing."""

    async def scenario() -> None:
        view = await house.hold()
        async with await house.visitor("alice") as client:
            answer = await decide(client, view, "deny", reason="  ")
            assert answer.status_code == 422
            assert "Say why" in answer.text
            assert (await decide(client, view, "deny", preset="Wrong target")).status_code == 303
        assert (await house.holds.get(view.id)).closed_text == "Wrong target"

    asyncio.run(scenario())


def test_a_card_that_cannot_be_opened_can_only_be_denied(house: ConsoleHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not shown has no approve button, and an approval by hand is refused."""

    async def scenario() -> None:
        view = await house.hold()

        monkeypatch.setattr(house.holds._cards, "_open", lambda *_: {})
        async with await house.visitor("alice") as client:
            text = (await client.get(f"/holds/{view.id}")).text
            assert "cannot be opened" in text
            assert "Approve once" not in text
            assert (await decide(client, view, "approve")).status_code == 409
            assert (await decide(client, view, "deny", reason="unreadable")).status_code == 303
        assert (await house.holds.get(view.id)).state == "denied"

    asyncio.run(scenario())


def test_the_person_for_whom_the_agent_acts_is_told_that_they_do_not_suffice(house: ConsoleHouse) -> None:
    """Frank may sign, and is told that somebody else must as well."""

    async def scenario() -> None:
        view = await house.hold(roles=(("person:frank", "owner"),))
        async with await house.visitor("frank") as client:
            assert "somebody else must sign as well" in (await client.get(f"/holds/{view.id}")).text

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("lost", "path", "fields", "state"),
    [
        (False, "revoke", {"reason": "cancelled"}, "revoked"),
        (True, "reconcile", {"reason": "ledger 77", "executed": "yes"}, "executed"),
        (True, "reconcile", {"reason": "ledger 77", "executed": "no"}, "not_executed"),
    ],
)
def test_the_owner_has_a_say_after_the_votes(
    house: ConsoleHouse, lost: bool, path: str, fields: dict[str, str], state: str
) -> None:
    """The card offers it, and shows what came of it."""

    async def scenario() -> None:
        view = await (house.lost() if lost else house.approved())
        async with await house.visitor("alice") as client:
            form = await house.form(client, f"/holds/{view.id}")
            answer = await client.post(f"/holds/{view.id}/{path}", data=form | fields)
            assert (answer.status_code, answer.headers["location"]) == (303, f"/holds/{view.id}")
            card = (await client.get(f"/holds/{view.id}")).text
        assert fields["reason"] in card
        assert f"/holds/{view.id}/{path}" not in card
        assert (await house.holds.get(view.id)).state == state

    asyncio.run(scenario())


@pytest.mark.parametrize("fields", [{"reason": "x"}, {"reason": "x", "executed": "maybe"}, {"executed": "yes"}])
def test_what_became_of_a_call_is_not_guessed(house: ConsoleHouse, fields: dict[str, str]) -> None:
    """Without a button that says so, or how they know it, nothing changes."""

    async def scenario() -> None:
        view = await house.lost()
        async with await house.visitor("alice") as client:
            form = await house.form(client, f"/holds/{view.id}")
            answer = await client.post(f"/holds/{view.id}/reconcile", data=form | fields)
        assert answer.status_code == 422
        assert (await house.holds.get(view.id)).state == "outcome_unknown"

    asyncio.run(scenario())


def test_who_may_only_look_is_offered_no_say(house: ConsoleHouse) -> None:
    """An auditor sees that the outcome is unknown, and no form."""

    async def scenario() -> None:
        view = await house.lost()
        async with await house.visitor("carol") as client:
            card = (await client.get(f"/holds/{view.id}")).text
        assert "May or may not have happened" in card
        assert "/reconcile" not in card

    asyncio.run(scenario())


@pytest.mark.parametrize(("owner", "said"), [("bob", "(now Bob"), (None, "(nobody at the moment)")])
def test_a_card_tells_who_answers_now_that_another_does(house: ConsoleHouse, owner: str | None, said: str) -> None:
    """Beside whom it was made for; and the owner of before, who still may look, is offered no say."""

    async def scenario() -> None:
        view = await house.approved()
        agent = house.written.agents["support-bot"].model_copy(update={"owner": owner})
        house.write(house.written.model_copy(update={"agents": {**house.written.agents, "support-bot": agent}}))
        async with await house.visitor("alice") as client:
            page = await client.get(f"/holds/{view.id}")
        assert page.status_code == 200
        assert said in page.text
        assert f"/holds/{view.id}/revoke" not in page.text

    asyncio.run(scenario())
