"""Tasks and the kill switch in a real browser, on a phone and on a desk."""

from typing import Any

import pytest

from proxy.tasks.budget import UNIT, Budget, Spend
from proxy.tasks.delegation import Proof
from proxy.tasks.task import Task
from tests.fakes.control_house import call_record
from tests.fakes.live_console import Live

pytestmark = pytest.mark.browser

WIDTHS = (390, 1280)


async def furnish(live: Live) -> tuple[Task, Task]:
    """A task with a budget and a handle, and one below it, of another owner's agent, with a call."""
    house = live.house
    budget = Budget(calls=10, spend=(Spend("payments/refund", "amount", 500 * UNIT),))
    top = await house.begin(proof=Proof("access_token", "verified", "sha256:aa"), budget=budget)
    below = await house.begin(
        parent=top.id, agent="builder", purpose="b" * 300, proof=Proof("jwt_svid", "endorsed", "sha256:bb")
    )
    await house.handles.issue(agent="support-bot", purpose="", ttl=60, issued_by="t", now=house.now, task=top.id)
    record = call_record("call.completed", "call_9", "builder", "bob") | {"task": below.id}
    record["delegation"] = {
        "chain": ["human:frank", "agent:support-bot", "agent:builder"],
        "levels": ["verified", "endorsed"],
        "methods": ["access_token", "jwt_svid"],
    }
    await house.log.append(record)
    await house.revocations.revoke("class:privileged", "operator:uid=0", "w" * 300, house.now)
    return top, below


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_reads(live: Live, sign_in: Any, troubles: list[str], width: int, scheme: str) -> None:
    """Nothing is wider than the screen, every target can be touched, every field has a name, every text contrasts."""
    top, below = live.do(furnish(live))
    page = sign_in("carol", width, color_scheme=scheme)
    for path in ("/tasks?which=all", f"/tasks/{top.id}", f"/tasks/{below.id}", "/kill-switch", "/calls/call_9"):
        page.goto(live.origin + path)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        rows = page.evaluate("new Set([...document.querySelectorAll('header nav a')].map(e => e.offsetTop)).size")
        assert rows == 1
        small = page.evaluate(
            "[...document.querySelectorAll('button, .button, select, nav a, textarea,"
            " input:not([type=hidden], [type=radio])')]"
            ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert small == []
        nameless = page.evaluate(
            "[...document.querySelectorAll('select, textarea, input:not([type=hidden])')]"
            ".filter(e => ![...e.labels].some(l => l.innerText.trim() || l.textContent.trim())).map(e => e.outerHTML)"
        )
        assert nameless == []
        assert page.locator("h1").count() == 1
        assert page.evaluate(FAINT) == []
    assert troubles == []


def test_a_task_is_suspended_and_ended_by_hand(live: Live, page: Any, troubles: list[str]) -> None:
    """From the list to the end of a task, each with a reason, the second press of a button doing nothing more."""
    top, _ = live.do(furnish(live))
    page.click("nav >> text=Tasks")
    page.click(f'a[href="/tasks/{top.id}"]')
    page.fill("#why", "odd calls")
    page.dblclick("text=Suspend it")
    page.wait_for_selector(".banner.warn >> text=odd calls")
    page.fill("#why", "fine after all")
    page.click("text=Resume it")
    page.wait_for_selector("text=Suspend it")
    page.fill("#why", "enough")
    page.click("button >> text='End it'")
    page.wait_for_selector(".banner.bad >> text=enough")
    assert page.locator("form.decide").count() == 0
    found = live.do(live.house.tasks.find(top.id))
    assert found is not None
    assert (found.state, found.changed_by) == ("revoked", "person:alice")
    assert live.house.log.types().count("task.changed") == 4  # three by hand, and the end of the one below
    assert troubles == []


@pytest.mark.parametrize("effect", ["freeze", "revoke"])
def test_a_responder_stops_an_agent_from_a_phone(live: Live, sign_in: Any, troubles: list[str], effect: str) -> None:
    """Chosen by touch, shown what dies, confirmed, seen to stand, and lifted again."""
    live.do(furnish(live))
    page = sign_in("carol")
    page.click("nav >> text=Kill switch")
    page.click(".kinds >> text=Team")
    page.wait_for_selector("option[value=support]", state="attached")
    page.click(".kinds >> text='Agent'")
    page.select_option("#name", "support-bot")
    page.check(f"input[value={effect}]")
    page.fill("#why", "incident 7")
    page.click("text=See what would stop")
    page.wait_for_selector("text=Live handles")
    assert page.inner_text(".counts").split() == ["Agents", "1", "Live", "handles", "1", "Open", "tasks", "2"]
    assert live.house.revocations.in_force()[0].scope == "class:privileged"
    page.dblclick("button.deny")
    page.wait_for_selector(".stop >> text=agent:support-bot")
    rows = {row.scope: row for row in live.house.revocations.in_force()}
    assert (rows["agent:support-bot"].kind, rows["agent:support-bot"].by) == (effect, "person:carol")
    assert live.house.log.types().count("revocation.put") == 1
    page.click("text=Lift it…")
    page.fill(".stop input[name=reason]", "over")
    page.click("text=Let it go on")
    page.wait_for_selector(".stop >> text=agent:support-bot", state="detached")
    assert [row.scope for row in live.house.revocations.in_force()] == ["class:privileged"]
    assert troubles == []


def test_the_kill_switch_works_by_keyboard_and_without_script(live: Live, sign_in: Any) -> None:
    """Reload is enough, and every control can be reached and shows its focus."""
    live.do(furnish(live))
    page = sign_in("alice", java_script_enabled=False)
    page.goto(f"{live.origin}/kill-switch")
    page.focus("#name")
    page.keyboard.press("s")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Live handles")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator("button.deny:focus-visible").count():
            break
    page.keyboard.press("Enter")
    page.wait_for_selector(".stop >> text=agent:support-bot")
    row = next(row for row in live.house.revocations.in_force() if row.scope == "agent:support-bot")
    assert (row.kind, row.reason) == ("freeze", "by keyboard")


def test_what_somebody_wrote_runs_nothing(live: Live, sign_in: Any, troubles: list[str]) -> None:
    """Purposes, tickets and reasons come from outside: shown on every page that has them, never run."""
    evil = "<img src=http://127.0.0.1:9/x onerror=document.title='owned'><script>document.title='owned'</script>"
    task = live.do(live.house.begin(purpose=evil, ticket=evil[:199]))
    live.do(live.house.tasks.suspend(task.id, by="person:alice", reason=evil, now=live.house.now))
    live.do(live.house.revocations.revoke("agent:stray", "person:carol", evil, live.house.now))
    page = sign_in("carol")
    for path in ("/tasks", f"/tasks/{task.id}", "/kill-switch", "/kill-switch?kind=task"):
        page.goto(live.origin + path)
        page.wait_for_load_state("load")
        assert "owned" not in page.title()
    assert troubles == []


# Text whose contrast with what is behind it is below 4.5 to 1 (WCAG 2.2, 1.4.3).
FAINT = """
() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll('main *, header *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.disabled || e.closest('option, .away')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push(e.outerHTML.slice(0, 200));
  }
  return found;
}
"""
