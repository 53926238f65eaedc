"""No review is put off by writing a date."""

import re
from datetime import date, timedelta

import pytest

from proxy.facts import OwnershipRules
from proxy.inventory.check import check_inventory
from proxy.inventory.files import take_snapshot
from proxy.inventory.load import examine
from proxy.inventory.review_dates import Horizon
from tests.fakes.inventories import TODAY, write_inventory

ENTRY = """\
agents:
  - id: bot
    owner: alice
    purpose: p
    expires: 2099-01-01
    ticket: T-1
    agent_class: CLASS
    review_due: DUE
"""
PROCESS = """\
processes:
  - id: night
    owner: alice
    purpose: p
    trigger: queue
    reference: q
    agents: [support-bot]
    expires: 2099-01-01
    review_due: DUE
"""


def inventory(folder, text, days, interval=None, of="utility"):
    """A good inventory, and this entry, whose review is in so many days."""
    written = "" if interval is None else f"    review_interval_days: {interval}\n"
    entry = text.replace("DUE", str(TODAY + timedelta(days=days))).replace("CLASS", of) + written
    return write_inventory(folder, more=entry)


@pytest.mark.parametrize(("text", "field"), [(ENTRY, "agents[bot]"), (PROCESS, "processes[night]")])
@pytest.mark.parametrize(
    ("days", "interval", "longest", "wrong"),
    [
        (90, 90, None, ""),
        (91, 90, None, "is in 91 days, further away than `review_interval_days` (90)"),
        (26_000, 1, None, "is in 26000 days, further away than `review_interval_days` (1)"),
        (26_000, None, None, ""),  # nobody wrote an interval: `check` warns of it
        (180, None, 180, ""),
        (181, None, 180, "is in 181 days, further away than `ownership.longest_review_days` (180)"),
        (181, 366, 180, "is in 181 days, further away than `ownership.longest_review_days` (180)"),
        (91, 90, 180, "is in 91 days, further away than `review_interval_days` (90)"),
        (-400, 90, 180, ""),  # overdue is no mistake: it is refused
    ],
)
def test_a_date_beyond_its_interval_is_a_mistake(tmp_path, text, field, days, interval, longest, wrong):
    """Beyond the one that is written beside it, or the house's; located, with what to do; nothing of it is in force."""
    snapshot = take_snapshot(inventory(tmp_path, text, days, interval))
    found = examine(snapshot, Horizon(TODAY, longest))
    latest = TODAY + timedelta(days=int(re.findall(r"\((\d+)\)", wrong)[0])) if wrong else TODAY
    advice = f"; write {latest} or earlier, and let its owner attest it then"
    assert [(one.field, one.text) for one in found.mistakes] == (
        [(f"{field}.review_due", wrong + advice)] if wrong else []
    )
    assert (found.loaded is None) == bool(wrong)


def test_a_date_that_does_not_count_is_no_mistake(tmp_path):
    """Of a privileged agent, only attestations count, whatever is written."""
    snapshot = take_snapshot(inventory(tmp_path, ENTRY, 26_000, 90, "privileged"))
    assert examine(snapshot, Horizon(TODAY, 30)).mistakes == ()


def test_what_loads_goes_on_loading(tmp_path):
    """A day later the same date is nearer."""
    snapshot = take_snapshot(inventory(tmp_path, ENTRY, 90, 90))
    assert [bool(examine(snapshot, Horizon(TODAY + timedelta(days=one))).mistakes) for one in (-1, 0, 1, 500)] == [
        True, False, False, False,
    ]  # fmt: skip


def test_a_check_knows_the_houses_bound(tmp_path):
    """As the settings have it: what would not load is a mistake, and what nobody bounds is a warning."""
    path = inventory(tmp_path, ENTRY, 200)
    bounded = check_inventory(path, TODAY, {"CRM_KEY"}, rules=OwnershipRules(longest_review_days=180))
    assert ["`ownership.longest_review_days` (180)" in one.text for one in bounded.mistakes] == [True]
    far = check_inventory(path, TODAY, {"CRM_KEY"}, rules=OwnershipRules(longest_review_days=300))
    assert (far.mistakes, far.warnings) == ((), ())
    free = check_inventory(path, date(2026, 12, 1), {"CRM_KEY"})
    assert free.mistakes == ()
    assert [one.field for one in free.warnings] == ["agents[bot].review_due"]
