"""A source of the inventory that is wrong or silent is seen, and told once."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from policies.model import Json
from proxy.app.source_health import SourceHealth, patience
from proxy.settings import InventorySource
from telemetry.errors import AuditUnavailable
from telemetry.record import RECORD_TYPES

NOW = 1_795_000_000.0
HR = InventorySource(id="hr", url="https://hr.example/people.json", silent_after_seconds=600)
PUSHED = InventorySource(id="pushed")


class Around:
    """What the health is of, at a time that is set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.records: list[dict[str, Any]] = []
        self.broken = False
        self.start()

    def start(self) -> None:
        self.health = SourceHealth((HR, PUSHED), self.folder, self.record, lambda: self.now)

    async def record(self, record: Mapping[str, Json]) -> None:
        if self.broken:
            raise AuditUnavailable("full")
        self.records.append(dict(record))

    def look(self) -> list[tuple[str, str]]:
        """What one look tells."""
        before = len(self.records)
        asyncio.run(self.health.look())
        return [(one["type"], one["change"]["what"]) for one in self.records[before:]]


@pytest.fixture
def around(tmp_path: Path) -> Around:
    return Around(tmp_path)


def test_a_dead_feed_is_told_once_and_so_is_that_it_is_back(around: Around, caplog: pytest.LogCaptureFixture) -> None:
    """After its bound, whether it was wrong meanwhile or said nothing; one that is brought has no bound of its own."""
    around.health.good("hr")
    around.now += 600
    assert around.look() == []
    around.health.wrong("hr", "it answered 500")
    around.now += 1
    assert around.look() == [("inventory.silent", "inventory:hr")]
    assert around.look() == []
    assert "inventory source hr is silent: nothing that can be used came for 601 s; at least every 600 s" in caplog.text
    assert around.health.status() == {
        "inventory_sources": [
            "hr: SILENT, wrong for 1 s (it answered 500), last good 601 s ago", "pushed: last good 601 s ago",
        ]
    }  # fmt: skip
    around.health.good("hr")
    assert around.look() == [("inventory.heard_again", "inventory:hr")]
    assert around.look() == []
    assert {one["type"] for one in around.records} <= RECORD_TYPES


def test_what_cannot_be_recorded_is_told_by_the_next_look(around: Around) -> None:
    """An alarm is not lost because a disk was full."""
    around.now += 601
    around.broken = True
    with pytest.raises(AuditUnavailable):
        around.look()
    around.broken = False
    assert around.look() == [("inventory.silent", "inventory:hr")]


def test_a_restart_does_not_put_the_alarm_off(around: Around) -> None:
    """When it was last good is kept beside its document; what lies in the future is now; else since the start."""
    around.health.good("hr")
    around.now += 500
    around.start()
    assert around.health.ages() == {"hr": 500, "pushed": 0}
    around.now += 101
    assert around.look() == [("inventory.silent", "inventory:hr")]
    around.now = NOW - 10
    around.start()
    assert around.health.ages()["hr"] == 0


def test_how_long_it_was_wrong_counts_from_the_first_time(around: Around) -> None:
    """Wrong in another way is still wrong; good once, it begins anew."""
    for why in ("no answer", "it answered 500"):
        around.health.wrong("hr", why)
        around.now += 10
    assert "wrong for 20 s (it answered 500)" in str(around.health.status())
    assert around.health.troubles() == {"hr": 1, "pushed": 0}
    around.health.good("hr")
    assert around.health.troubles() == {"hr": 0, "pushed": 0}
    around.health.wrong("hr", "no answer")
    assert "wrong for 0 s (no answer)" in str(around.health.status())


def test_a_sign_of_life_that_cannot_be_written_counts_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Until the next start, which then counts from itself."""
    around = Around(tmp_path / "none" / "none")
    around.now += 100
    around.health.good("hr")
    assert around.health.ages()["hr"] == 0
    assert "hr.heard cannot be written" in caplog.text


def test_without_sources_there_is_nothing_to_say(tmp_path: Path) -> None:
    """No row in the status, and no series."""
    around = Around(tmp_path)
    none = SourceHealth((), tmp_path, around.record, lambda: NOW)
    assert (none.status(), none.ages(), none.troubles()) == ({}, {}, {})


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        ({}, None),
        ({"silent_after_seconds": 90_000}, 90_000),
        ({"url": "https://x"}, 3600),
        ({"file": Path("x"), "every_seconds": 1}, 3600),
        ({"url": "https://x", "every_seconds": 3600}, 36_000),
        ({"url": "https://x", "every_seconds": 3600, "silent_after_seconds": 60}, 60),
    ],
)
def test_how_long_a_source_may_say_nothing(settings: dict[str, Any], bound: float | None) -> None:
    """What the settings say; else an hour, or ten looks, of one that we ask; never, of one that is only brought."""
    assert patience(InventorySource(id="x", **settings)) == bound
