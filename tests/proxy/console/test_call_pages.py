"""What happened, as pages."""

import asyncio
import re

from proxy.console.call_pages import links, parties_of
from proxy.console.needs import Story
from tests.fakes.console_house import ConsoleHouse
from tests.fakes.control_house import call_record


def test_calls_are_listed_and_filtered(house: ConsoleHouse) -> None:
    """Only one's own agents' calls; an odd filter shows nothing by force of being odd."""

    async def scenario() -> None:
        await house.tell_calls()
        async with await house.visitor("alice") as client:
            everything = (await client.get("/calls")).text
            assert "/calls/call_1" in everything
            assert "/calls/call_3" not in everything
            refused = (await client.get("/calls?outcome=refused")).text
            assert "/calls/call_1" not in refused
            assert "no_permit" in refused
            assert (await client.get("/calls?outcome=<x>&agent=%22%3E<script>&task=<script>")).status_code == 200
            assert "<script>&" not in (await client.get("/calls?task=<script>%26")).text

    asyncio.run(scenario())


def test_a_list_says_for_whom_and_leads_to_all_that_was_for_them(house: ConsoleHouse) -> None:
    """In the list, on the agent's page and on the call's own; an agent that acts for itself acts for nobody."""

    async def scenario() -> None:
        await house.tell_calls()
        alone = call_record("call.refused", "call_5", "support-bot", "alice")
        await house.log.append(alone | {"delegation": {"chain": ["agent:support-bot"]}})
        async with await house.visitor("alice") as client:
            link = '<a href="/calls?principal=frank">Frank Fir</a>'
            assert (await client.get("/calls")).text.count(link) == 2
            assert (await client.get("/agents/support-bot")).text.count(link) == 2
            assert "/calls?principal=frank" in (await client.get("/calls/call_1")).text
            for_frank = (await client.get("/calls?principal=frank")).text
            for_itself = (await client.get("/calls?principal=support-bot")).text
        assert "/calls/call_1" in for_frank
        assert "/calls/call_5" not in for_frank
        assert "principal=frank&amp;task=" in for_frank
        assert "/calls/call_5" in for_itself
        assert "/calls/call_1" not in for_itself

    asyncio.run(scenario())


def test_a_story_goes_from_the_human_to_the_tool(house: ConsoleHouse) -> None:
    """Human, agent, evidence, request, policy, answer, and where it stands in the log: in this order."""

    async def scenario() -> None:
        await house.tell_calls()
        async with await house.visitor("alice") as client:
            text = (await client.get("/calls/call_1")).text
            told = (await client.get("/calls/call_2")).text
        parts = [
            "Frank Fir",
            "<b>support-bot</b>",
            "hnd_1",
            "payments.example:443/v1/refunds",
            "<b>allow</b>",
            "read-ok",
            "answered <b>200</b>",
            "Audit log",
        ]
        places = [text.index(part) for part in parts]
        assert places == sorted(places)
        assert "nothing was sent" in told
        assert "no_permit" in told

    asyncio.run(scenario())


def test_a_story_with_hardly_anything_known_is_still_told(house: ConsoleHouse) -> None:
    """A refusal before anyone was identified has a page too, and what a stranger wrote stays text."""

    async def scenario() -> None:
        await house.log.append(
            {
                "type": "identity.refused",
                "call": "call_x",
                "action": {"operation": "CONNECT <script>x</script>\u202e:443"},
                "error": {"reason": "identity_missing", "status": 407, "internal": "<b>x</b>"},
            }
        )
        async with await house.visitor("carol") as client:
            text = (await client.get("/calls/call_x")).text
        assert "caller" in text
        assert "identity_missing" in text
        assert "<script>x" not in text
        assert "<b>x</b>" not in text
        assert "\u202e" not in text

    asyncio.run(scenario())


def test_each_step_of_a_chain_says_how_it_is_proven() -> None:
    """The first party is delegated to by nobody; what an older record does not say is left empty."""
    story: Story = {"chain": ["human:frank", "agent:a", "agent:b"], "levels": ["verified"], "methods": ["jwt"]}
    assert [(party.level, party.method) for party in parties_of(story)] == [("", ""), ("verified", "jwt"), ("", "")]
    assert parties_of({"chain": None}) == []


def test_a_call_names_its_task(house: ConsoleHouse) -> None:
    """Purpose, ticket and state, with a link, for who may see the task; its id alone for a name made up."""

    async def scenario() -> None:
        task = await house.begin(ticket="OPS-12")
        record = call_record("call.decided", "call_t", "support-bot", "alice") | {"task": task.id}
        record["delegation"] |= {"levels": ["endorsed"], "methods": ["local_operator"]}
        await house.log.append(record)
        await house.tell_calls()
        async with await house.visitor("alice") as client:
            text = (await client.get("/calls/call_t")).text
            other = (await client.get("/calls/call_1")).text
        assert f'<a href="/tasks/{task.id}">refund the orders of today</a>, ticket OPS-12' in text
        assert "endorsed" in text
        assert "by the local operator&#39;s word" in text
        assert "<code>task_1</code>" in other

    asyncio.run(scenario())


ASKED = {"agent": "support-bot", "outcome": "", "task": "a&b"}


def test_the_way_back_is_the_way_one_came() -> None:
    """From each page to the one before it, with the filter; from the first there is no way back."""
    assert links(ASKED, "", "", "") == {}
    first = links(ASKED, "", "", "90")
    assert first == {"older": "/calls?agent=support-bot&task=a%26b&before=90"}
    second = links(ASKED, "90", "", "80")
    assert second["older"] == "/calls?agent=support-bot&task=a%26b&before=80&back=90"
    assert second["newer"] == second["newest"] == "/calls?agent=support-bot&task=a%26b"
    third = links(ASKED, "80", "90", "")
    assert third == {"newest": "/calls?agent=support-bot&task=a%26b", "newer": first["older"]}
    assert links({}, "80", "<x>,javascript:,90,1 2", "")["newer"] == "/calls?before=90"
    assert len(links({}, "5", ",".join(["7"] * 900), "4")["older"]) < 300


def test_every_call_is_reached_by_its_pages(house: ConsoleHouse) -> None:
    """Older until there is no older, newer until the first again; only the first is kept up to date by itself."""

    async def scenario() -> None:
        for number in range(120):
            await house.log.append(call_record("call.refused", f"call_{number}", "support-bot", "alice"))
        async with await house.visitor("alice") as client:
            url, seen, pages = "/calls?agent=support-bot", [], []
            while url:
                text = (await client.get(url)).text
                pages.append(url)
                seen += re.findall(r'href="/calls/call_(\d+)"', text)
                assert ('hx-get="/calls' in text) is (len(pages) == 1)
                found = re.search(r'rel="next" href="([^"]+)"', text)
                url = found[1].replace("&amp;", "&") if found else ""
                assert "agent=support-bot" in (url or "agent=support-bot")
            assert [int(number) for number in seen] == list(reversed(range(120)))
            assert len(pages) == 3
            for page in reversed(pages[:-1]):
                found = re.search(r'rel="prev" href="([^"]+)"', text)
                assert found is not None
                assert found[1].replace("&amp;", "&") == page
                text = (await client.get(page)).text
            assert (await client.get("/calls?before=<script>")).status_code == 422

    asyncio.run(scenario())
