"""Reviews as pages: what is due, everything that is attested, and two buttons."""

import asyncio
from datetime import date

import pytest

from proxy.facts import Deputy, Process, Subject
from tests.fakes.console_house import ConsoleHouse, hidden

FAR = date(2099, 1, 1)
LAST = date(2026, 10, 1)
WHAT = "/reviews/agent:support-bot"


def overdue(house: ConsoleHouse, **facts: object) -> None:
    """The support bot is overdue, and these facts of it are others."""
    written = house.written
    bot = written.agents["support-bot"].model_copy(update={"review_due": LAST, **facts})
    house.write(written.model_copy(update={"agents": {**written.agents, "support-bot": bot}}))


def test_what_is_due_comes_first_and_is_marked(house: ConsoleHouse) -> None:
    """Mine, others', what has no owner any more, and what is far ahead, each under its own heading."""

    async def scenario() -> None:
        overdue(house)
        builder = house.written.agents["builder"].model_copy(update={"owner": "dave"})
        house.write(house.written.model_copy(update={"agents": {**house.written.agents, "builder": builder}}))
        async with await house.visitor("alice") as client:
            text = (await client.get("/reviews")).text
            assert "1 review is yours to do" in text
            assert "Overdue since 2026-10-01" in text
            assert "builder" not in text
        async with await house.visitor("carol") as client:
            text = (await client.get("/reviews")).text
            assert "No review waits for you" in text
            assert "For others to do" in text
            assert "Whose owner has left" in text
            assert "all its calls are refused" in text
        async with await house.visitor("frank") as client:
            text = (await client.get("/reviews")).text
            assert "support-bot" not in text

    asyncio.run(scenario())


def test_an_owner_attests_and_ends(house: ConsoleHouse) -> None:
    """With a note, bound to what was shown; the page then says so. What is ended has no buttons."""

    async def scenario() -> None:
        overdue(house)
        async with await house.visitor("alice") as client:
            fields = await house.form(client, WHAT)
            assert (await client.post(f"{WHAT}/attest", data=fields | {"note": " "})).status_code == 422
            done = await client.post(f"{WHAT}/attest", data=fields | {"note": "<b>checked</b>"})
            assert (done.status_code, done.headers["location"]) == (303, "/reviews")
            page = (await client.get(WHAT)).text
            assert "Last attested by" in page
            assert "&lt;b&gt;checked&lt;/b&gt;" in page
            fields = await house.form(client, WHAT)
            assert (await client.post(f"{WHAT}/end", data=fields | {"note": "replaced"})).status_code == 303
            page = (await client.get(WHAT)).text
            assert "It has been ended." in page
            assert "Still needed" not in page
        assert house.log.types()[-2:] == ["review.attested", "revocation.put"]

    asyncio.run(scenario())


@pytest.mark.parametrize("change", ["class", "attested", "missing"])
def test_a_stale_form_attests_nothing(house: ConsoleHouse, change: str) -> None:
    """What changed meanwhile, what somebody attested meanwhile, what was not shown: told, with the words kept."""

    async def scenario() -> None:
        overdue(house)
        async with await house.visitor("alice") as client:
            fields = await house.form(client, WHAT) | {"note": "as I saw it"}
            match change:
                case "class":
                    overdue(house, agent_class="privileged")
                case "attested":
                    await client.post(f"{WHAT}/attest", data=fields)
                case _:
                    del fields["digest"]
            before = len(house.log.records)
            answer = await client.post(f"{WHAT}/attest", data=fields)
            assert answer.status_code == 409
            assert "Nothing was attested or ended." in answer.text
            assert "as I saw it" in answer.text
            assert len(house.log.records) == before

    asyncio.run(scenario())


def test_others_look_and_find_no_buttons(house: ConsoleHouse) -> None:
    """An auditor reads; a deputy may end it, and attests only where the rules let them."""

    async def scenario() -> None:
        overdue(house)
        async with await house.visitor("carol") as client:
            page = (await client.get(WHAT)).text
            assert "Only Alice Almond can attest this." in page
            assert 'action="/reviews' not in page
        async with await house.visitor("eve") as client:
            page = (await client.get(WHAT)).text
            assert "End it" in page
            assert "Still needed" not in page
            fields = hidden(page) | {"note": "x"}
            assert (await client.post(f"{WHAT}/attest", data=fields)).status_code == 403
            house.write(deputies_attest=True)
            assert "Still needed" in (await client.get(WHAT)).text
        async with await house.visitor("frank") as client:
            assert (await client.get(WHAT)).status_code == 404

    asyncio.run(scenario())


def test_every_fact_that_is_attested_is_shown(house: ConsoleHouse) -> None:
    """Also what an agent shows itself as, who may stand in, and how it is undone."""

    async def scenario() -> None:
        overdue(
            house,
            agent_class="privileged",
            technical_owner="bob",
            deputies=(Deputy(person="eve", start=LAST, end=FAR),),
            escalation=("carol",),
            trust_zone="dmz",
            partner="acme",
            deployment="registry/bot@sha256:1",
            rollback="scale to zero",
            identities=(Subject(issuer="spiffe://prod", subject="spiffe://prod/bot"),),
        )
        async with await house.visitor("alice") as client:
            for path in (WHAT, "/agents/support-bot"):
                text = (await client.get(path)).text
                for said in (
                    "Bob Birch", "Eve Elm", "Carol Cedar", "dmz", "acme", "registry/bot@sha256:1", "scale to zero",
                    "spiffe://prod/bot", "privileged", "OPS-7", "2099-01-01",
                ):  # fmt: skip
                    assert said in text, (path, said)

    asyncio.run(scenario())


def test_a_deputy_is_told_in_whose_stead_they_attest(house: ConsoleHouse) -> None:
    """The page of a process whose owner left says so, and who answers for it; one whose owner is there does not."""

    async def scenario() -> None:
        deputies = (Deputy(person="alice", start=LAST, end=FAR),)
        process = Process(id="night", owner="dave", purpose="Nightly", trigger="schedule", reference="0 3 * * *",
                          agents=("builder",), expires=FAR, review_due=FAR, deputies=deputies)  # fmt: skip
        house.write(house.written.model_copy(update={"processes": {"night": process}}), when_owner_leaves="deputy")
        async with await house.visitor("alice") as client:
            said = "Its owner has left.</strong> Alice Almond answers for it meanwhile."
            assert said in (await client.get("/reviews/process:night")).text
            assert "Its owner has left" not in (await client.get(WHAT)).text

    asyncio.run(scenario())


@pytest.mark.parametrize("rule", ["refuse", "deputy"])
def test_who_has_left_is_not_waited_for(house: ConsoleHouse, rule: str) -> None:
    """Nobody attests in the stead of an owner who left, unless the rules let deputies: the next owner does."""

    async def scenario() -> None:
        deputies = (Deputy(person="eve", start=LAST, end=FAR),)
        builder = house.written.agents["builder"].model_copy(update={"owner": "dave", "deputies": deputies})
        agents = {**house.written.agents, "builder": builder}
        house.write(house.written.model_copy(update={"agents": agents}), when_owner_leaves=rule)
        async with await house.visitor("carol") as client:
            page = (await client.get("/reviews/agent:builder")).text
        assert "has left and cannot attest this." in page
        assert "Only Dave" not in page

    asyncio.run(scenario())


def test_a_business_process_has_its_page(house: ConsoleHouse) -> None:
    """With its trigger and the agents that act for it."""

    async def scenario() -> None:
        process = Process(id="night", owner="alice", purpose="Nightly", trigger="schedule", reference="0 3 * * *",
                          agents=("builder",), expires=FAR, review_due=LAST)  # fmt: skip
        house.write(house.written.model_copy(update={"processes": {"night": process}}))
        async with await house.visitor("alice") as client:
            assert "business process" in (await client.get("/reviews")).text
            page = (await client.get("/reviews/process:night")).text
            assert "0 3 * * *" in page
            fields = hidden(page) | {"note": "still runs"}
            assert (await client.post("/reviews/process:night/attest", data=fields)).status_code == 303
        assert house.facts.attestations["process:night"].owner == "alice"

    asyncio.run(scenario())
