"""The console in a real browser, against a real server: what only a browser can show."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tests.fakes.control_house import call_record
from tests.fakes.live_console import PATIENCE, Live

pytestmark = pytest.mark.browser


def test_a_call_appears_by_itself_and_is_approved(live: Live, page: Any, troubles: list[str]) -> None:
    """From an empty queue on a phone: the call comes in, is opened, read and approved, without a complaint."""
    assert page.inner_text("h1") == "Nothing waits for you"
    view = live.do(live.house.hold())
    page.click(f'a[href="/holds/{view.id}"]')
    page.wait_for_selector("text=Your decision")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("text=Approve once")
    page.wait_for_selector("text=Approved, not used yet")
    assert live.do(live.house.holds.get(view.id)).state == "approved"
    assert troubles == []


def test_a_card_has_buttons_only_after_a_pause(live: Live, page: Any) -> None:
    """Nobody signs what has only just appeared under their finger: also when the window gets the focus."""
    view = live.do(live.house.hold())
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    page.goto(f"{live.origin}/holds/{view.id}")
    for _ in range(2):
        page.clock.run_for(590)
        assert page.is_disabled("button.approve")
        assert page.is_disabled("button.deny")
        page.clock.run_for(20)
        assert page.is_enabled("button.approve")
        assert page.is_enabled("button.deny")
        page.evaluate("window.dispatchEvent(new Event('focus'))")


def test_a_card_freezes_when_somebody_else_decides(live: Live, page: Any, troubles: list[str]) -> None:
    """The open card does not vanish: it shows the outcome, its buttons go, and it is said aloud."""
    view = live.do(live.house.hold(roles=(("owner", "deputy"),)))
    page.goto(f"{live.origin}/holds/{view.id}")
    page.wait_for_selector("button.approve:enabled")
    live.vote(view, "eve", "deny", "not today")
    page.wait_for_selector(".banner.outcome")
    assert "not today" in page.inner_text(".banner.outcome")
    assert page.query_selector("button.approve") is None
    assert "has changed" in page.inner_text("#said")
    assert troubles == []


def test_a_vote_elsewhere_keeps_what_is_typed_and_pauses_the_buttons(live: Live, page: Any) -> None:
    """The card takes the new version, the words stay, the buttons rest, and the decision then counts."""
    view = live.do(live.house.hold(roles=(("owner",), ("person:bob",))))
    page.goto(f"{live.origin}/holds/{view.id}")
    page.fill("#reason", "as agreed")
    page.evaluate(
        "document.addEventListener('htmx:afterSettle', () => {"
        " window.rested = document.querySelector('button.approve').disabled; })"
    )
    live.vote(view, "bob", "approve")
    page.wait_for_selector('#card[data-version="2"]')
    page.wait_for_function("window.rested === true")
    assert page.input_value("#reason") == "as agreed"
    page.click("button.approve")
    page.wait_for_selector("text=Approved, not used yet")
    assert live.do(live.house.holds.get(view.id)).votes[1].reason == "as agreed"


def test_what_the_agent_wrote_runs_nothing(live: Live, page: Any, troubles: list[str]) -> None:
    """Script, event handlers, htmx attributes and images in arguments: shown, never run or fetched."""
    view = live.do(
        live.house.hold(
            {
                "a": "<script>document.title='owned'</script>",
                "b": "<img src=http://127.0.0.1:9/x onerror=document.title='owned'>",
                "c": '<div hx-post="/agents/support-bot/end" hx-trigger="load"></div>',
                "d": "\"><svg/onload=document.title='owned'>",
            }
        )
    )
    for path in ("/", f"/holds/{view.id}"):
        page.goto(live.origin + path)
        page.wait_for_load_state("load")
        assert "owned" not in page.title()
    assert "<script>document.title" in page.inner_text(".arguments")
    assert live.house.revocations.in_force() == []
    assert troubles == []


def test_script_in_a_page_is_forbidden(live: Live, page: Any, troubles: list[str]) -> None:
    """Should markup ever slip through, the policy still runs none of it."""
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')")
    page.evaluate(
        "const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s)"
    )
    page.wait_for_function("() => true")
    assert page.title() != "1"
    assert any("Content Security Policy" in trouble for trouble in troubles)


def test_without_script_everything_can_still_be_decided(chromium: Any, live: Live) -> None:
    """Reload is enough: sign in, read, deny with a reason, see the outcome."""
    view = live.do(live.house.hold())
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{live.origin}/holds/{view.id}")
    page.fill("#token", live.do(live.house.token("alice")))
    page.click("button")
    page.check("text=Needs a ticket first")
    page.click("button.deny")
    page.wait_for_selector("text=Denied")
    context.close()
    assert live.do(live.house.holds.get(view.id)).closed_text == "Needs a ticket first"


def test_a_link_from_another_site_finds_the_session(chromium: Any, live: Live, page: Any) -> None:
    """A strict cookie is not sent when a link is followed from elsewhere; the page comes again and has it."""
    view = live.do(live.house.hold())
    page.goto(f"data:text/html,<a href='{live.origin}/holds/{view.id}'>look</a>")
    page.click("a")
    page.wait_for_selector("text=Your decision")


def test_the_keyboard_is_enough(live: Live, page: Any) -> None:
    """The first stop skips to the page, every control shows its focus, and Deny comes before Approve."""
    view = live.do(live.house.hold())
    page.goto(f"{live.origin}/holds/{view.id}")
    page.wait_for_selector("button.approve:enabled")
    assert page.evaluate("document.activeElement === document.body")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    stops = []
    for _ in range(40):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.className"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        if stops[-1] == "approve":
            break
    assert stops[-2:] == ["deny", "approve"]


def test_every_target_is_large_enough_to_touch(live: Live, page: Any) -> None:
    """Buttons, fields and the way around are at least 44 pixels high on a phone."""
    view = live.do(live.house.hold())
    for path in ("/", f"/holds/{view.id}", "/calls", "/agents/support-bot"):
        page.goto(live.origin + path)
        small = page.evaluate(
            "[...document.querySelectorAll('button, select, nav a, textarea, input:not([type=hidden], [type=radio])')]"
            ".filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert small == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def overdue(live: Live) -> None:
    """The support bot's review is overdue, and it is privileged."""
    written = live.house.written
    changed = {"review_due": date(2026, 1, 1), "agent_class": "privileged", "trust_zone": "dmz"}
    bot = written.agents["support-bot"].model_copy(update=changed)
    live.house.write(written.model_copy(update={"agents": {**written.agents, "support-bot": bot}}))


def test_an_owner_attests_on_a_phone(live: Live, page: Any, troubles: list[str]) -> None:
    """From the list to the facts, a note, and the button, which rests at first; nothing is wider than the phone."""
    overdue(live)
    page.click('nav a[href="/reviews"]')
    page.wait_for_selector("text=1 review is yours to do")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click('a[href="/reviews/agent:support-bot"]')
    page.wait_for_selector("text=What you answer for")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.fill("#note", "looked at its handles and calls")
    page.click("button.approve:enabled")
    page.wait_for_selector("text=No review waits for you")
    said = live.house.facts.attestations["agent:support-bot"]
    assert (said.person, said.agent_class) == ("alice", "privileged")
    assert troubles == []


def test_a_review_that_changed_meanwhile_is_not_attested(live: Live, page: Any) -> None:
    """The page says so, keeps what was typed, and shows what there is now."""
    overdue(live)
    page.goto(f"{live.origin}/reviews/agent:support-bot")
    page.fill("#note", "as I saw it")
    written = live.house.written
    bot = written.agents["support-bot"].model_copy(update={"purpose": "Something else entirely"})
    live.house.write(written.model_copy(update={"agents": {**written.agents, "support-bot": bot}}))
    page.click("button.approve:enabled")
    page.wait_for_selector("text=Nothing was attested or ended.")
    assert "Something else entirely" in page.inner_text("main")
    assert page.input_value("#note") == "as I saw it"
    assert live.house.facts.attestations == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_calls_are_paged_with_a_thumb(
    live: Live, sign_in: Callable[..., Any], troubles: list[str], width: int, scheme: str
) -> None:
    """On a phone and on a desk: there and back again, nothing wider than the screen, every target large enough."""
    for number in range(120):
        live.do(live.house.log.append(call_record("call.refused", f"call_{number}", "support-bot", "alice")))
    page = sign_in("alice", width, color_scheme=scheme)
    page.goto(f"{live.origin}/calls?agent=support-bot")
    for shown in ("call_119", "call_69", "call_19"):
        assert page.locator("tbody a").first.get_attribute("href") == f"/calls/{shown}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        sizes = [box["height"] for link in page.locator(".pages a").all() if (box := link.bounding_box())]
        assert sizes
        assert min(sizes) >= 44
        if shown != "call_19":
            page.get_by_role("link", name="Older").click()
            page.wait_for_url("**before=*")
    assert page.get_by_role("link", name="Older").count() == 0
    page.get_by_role("link", name="Newer").click()
    page.wait_for_function("document.querySelector('tbody a').getAttribute('href') === '/calls/call_69'")
    assert page.locator("select[name=agent]").input_value() == "support-bot"
    page.get_by_role("link", name="Newer").click()
    page.wait_for_function("document.querySelector('tbody a').getAttribute('href') === '/calls/call_119'")
    assert troubles == []
