"""The file of revocations that the store could not take."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import CountersignError
from proxy.tasks.interfaces import Revocation
from proxy.tasks.unstored import NAME, Unstored, UnstoredFile

ONE = Unstored(Revocation("agent:a", 100.25, "person:bob", "odd\n\u2028refunds"), {"type": "revocation.put"})
TWO = Unstored(Revocation("global", 200.0, "operator:uid=0", "incident 7", "freeze"), None, stored=True)


def line(**changes: Any) -> str:
    """A line of the file with these fields changed."""
    fields = {"scope": "global", "at": 1, "by": "x", "reason": "", "kind": "revoke"}
    return json.dumps({"revocation": {**fields, **changes}, "entry": None, "stored": False})


def test_what_is_added_is_read_back(tmp_path: Path) -> None:
    """In every field and in order, by whoever opens the folder later."""
    file = UnstoredFile(tmp_path)
    assert file.read() == ()
    file.add(ONE)
    file.add(TWO)
    assert UnstoredFile(tmp_path).read() == (ONE, TWO)
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_rows_are_replaced_in_whole(tmp_path: Path) -> None:
    """What is settled goes; without rows there is no file, and nothing beside it."""
    file = UnstoredFile(tmp_path)
    file.add(ONE)
    file.add(TWO)
    file.replace([TWO])
    assert file.read() == (TWO,)
    file.replace([])
    file.replace([])
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_was_not_finished_does_not_count(tmp_path: Path) -> None:
    """A process that died while it wrote had confirmed nothing."""
    file = UnstoredFile(tmp_path)
    file.add(ONE)
    with (tmp_path / NAME).open("a") as raw:
        raw.write('{"revocation": {"scope": "glo')
    assert file.read() == (ONE,)


@pytest.mark.parametrize(
    "written",
    [
        "x",
        "[]",
        "{}",
        '{"revocation": {}, "entry": null, "stored": false}',
        line(scope="agents:a"),
        line(at="1"),
        line(at=True),
        line(kind="maybe"),
        line(by=7),
        line(more="x"),
        line().replace("null", "[]"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_mistake(tmp_path: Path, written: str) -> None:
    """It may be what keeps an agent out, so nothing starts over it; the message names file and line."""
    file = UnstoredFile(tmp_path)
    file.add(ONE)
    with (tmp_path / NAME).open("a") as raw:
        raw.write(written + "\n")
    with pytest.raises(CountersignError, match=f"{NAME}:2: this revocation cannot be read"):
        file.read()


def test_a_file_that_cannot_be_opened_is_a_mistake(tmp_path: Path) -> None:
    """A directory in its place is told, not passed over."""
    (tmp_path / NAME).mkdir()
    with pytest.raises(CountersignError, match="cannot be read: Is a directory"):
        UnstoredFile(tmp_path).read()
    with pytest.raises(OSError, match="directory"):
        UnstoredFile(tmp_path).add(ONE)
