"""What every page shares: who is looking, and what a mistake looks like."""

import asyncio

from tests.fakes.console_house import ConsoleHouse


def test_a_link_from_mail_comes_again_from_here(house: ConsoleHouse) -> None:
    """Followed from another site, without the strict cookie, a page asks the browser to come again by itself."""

    async def scenario() -> None:
        async with house.client(**{"sec-fetch-site": "cross-site"}) as client:
            answer = await client.get("/holds/hld_x")
            assert answer.status_code == 200
            assert '<meta http-equiv="refresh" content="0">' in answer.text
            again = await client.get("/holds/hld_x", headers={"sec-fetch-site": "same-origin"})
            assert again.status_code == 303

    asyncio.run(scenario())


def test_what_is_not_there_is_told_in_words(house: ConsoleHouse) -> None:
    """Unknown and another's are one page, with 404."""

    async def scenario() -> None:
        view = await house.hold()
        async with await house.visitor("bob") as client:
            texts = []
            for path in (f"/holds/{view.id}", "/holds/none", "/agents/support-bot", "/agents/none", "/calls/none"):
                answer = await client.get(path)
                assert answer.status_code == 404
                texts.append(answer.text)
            assert texts[0] == texts[1]
            assert texts[2] == texts[3]
            assert "That is not here" in texts[2]

    asyncio.run(scenario())


def test_a_log_that_cannot_be_written_is_told_and_nothing_is_done(house: ConsoleHouse) -> None:
    """The page says that it was not done; there is no traceback."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            fields = await house.form(client, "/agents/support-bot")
            assert (await client.post("/agents/support-bot/end", data=fields | {"reason": "odd"})).status_code == 303
            house.log.broken = True
            answer = await client.post("/agents/support-bot/lift", data=fields | {"effect": "revoke", "reason": "fine"})
            assert answer.status_code == 503
            assert "was not done" in answer.text
            assert "disk" not in answer.text
        assert len(house.revocations.in_force()) == 1

    asyncio.run(scenario())


def test_a_person_who_left_is_signed_out_everywhere(house: ConsoleHouse) -> None:
    """The session of somebody who is no longer active shows nothing more."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            assert (await client.get("/")).status_code == 200
            left = house.facts.people["alice"].model_copy(update={"active": False})
            house.facts = house.facts.model_copy(update={"people": {**house.facts.people, "alice": left}})
            assert (await client.get("/")).status_code == 303

    asyncio.run(scenario())


def test_a_name_is_text(house: ConsoleHouse) -> None:
    """A person's name from the inventory cannot become markup either."""

    async def scenario() -> None:
        odd = house.facts.people["alice"].model_copy(update={"name": "<script>x</script>\u202e"})
        house.facts = house.facts.model_copy(update={"people": {**house.facts.people, "alice": odd}})
        async with await house.visitor("alice") as client:
            text = (await client.get("/")).text
        assert "<script>x" not in text
        assert "U+202E right-to-left override" in text

    asyncio.run(scenario())
