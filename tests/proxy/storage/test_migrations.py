"""The shape of the store, as numbered steps forward."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from proxy.errors import CountersignError, StoreUnavailable
from proxy.storage.hold_rows import HOLD_COLUMNS, hold_values, holds_from
from proxy.storage.migrations import MIGRATIONS, VERSION, Migration, migrate, prepare
from tests.fakes.held_calls import hold, store_path


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_the_steps_are_numbered_without_gaps() -> None:
    """A step's place is its number: none can be put in between later."""
    assert [step.number for step in MIGRATIONS] == list(range(1, VERSION + 1))


def test_a_new_store_has_every_table_and_is_ours_alone(tmp_path: Path) -> None:
    """The file is made with mode 0600, in WAL, at the newest version."""
    path = store_path(tmp_path)
    prepare(path, 1.0)
    assert {"handles", "revocations", "person_credentials", "holds", "votes", "attempts", "hold_events"} <= tables(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA user_version").fetchone()[0] == VERSION


def test_an_older_store_is_brought_forward_with_its_rows(tmp_path: Path) -> None:
    """Only the missing steps are taken; what was there stays."""
    path = store_path(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:1])
        connection.execute("INSERT INTO revocations (scope, at, by, reason, kind) VALUES ('a', 1, 'b', '', 'revoke')")
    prepare(path, 1.0)
    assert "holds" in tables(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM revocations").fetchone()[0] == 1


def test_an_end_and_a_freeze_of_before_are_kept_and_their_changes_still_counted(tmp_path: Path) -> None:
    """The rows of the version before are there; one of the other kind fits beside each; every change is counted."""
    path = store_path(tmp_path)
    put = "INSERT INTO revocations (scope, at, by, reason, kind) VALUES (?, ?, 'b', 'c', ?)"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:8])
        before = [("agent:a", 1.0, "revoke"), ("agent:b", 2.5, "freeze")]
        connection.executemany(put, before)
        counts = [_changes(connection)]
        migrate(connection, MIGRATIONS)
        counts.append(_changes(connection))
        assert connection.execute("SELECT scope, at, kind FROM revocations ORDER BY scope").fetchall() == before
        for statement, values in (
            (put, ("agent:a", 3.0, "freeze")),
            ("UPDATE revocations SET at = 4 WHERE scope = ? AND kind = 'freeze'", ("agent:a",)),
            ("DELETE FROM revocations WHERE scope = ? AND kind = 'revoke'", ("agent:a",)),
        ):
            connection.execute(statement, values)
            counts.append(_changes(connection))
        assert counts == sorted(set(counts))
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(put, ("agent:a", 5.0, "freeze"))


def test_a_process_of_the_version_before_loses_no_end(tmp_path: Path) -> None:
    """It still runs while another has taken the step: it puts nothing in, and of two rows it reads the end last."""
    path = store_path(tmp_path)
    prepare(path, 1.0)
    put = "INSERT INTO revocations (scope, at, by, reason, kind) VALUES (?, 1, 'b', '', ?)"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executemany(put, [("agent:b", "revoke"), ("agent:a", "revoke"), ("agent:a", "freeze")])
        connection.execute(put, ("agent:b", "freeze"))
        found = connection.execute("SELECT scope, kind FROM revocations ORDER BY scope").fetchall()
        assert dict(found) == {"agent:a": "revoke", "agent:b": "revoke"}
        with pytest.raises(sqlite3.Error, match="ON CONFLICT"):
            connection.execute(f"{put} ON CONFLICT (scope) DO UPDATE SET at = excluded.at", ("agent:c", "revoke"))


def test_a_hold_of_before_is_of_no_copy(tmp_path: Path) -> None:
    """What was asked for before copies had holds of their own is the agent's owner's to sign."""
    path = store_path(tmp_path)
    step = next(place for place, one in enumerate(MIGRATIONS) if "copy" in one.name)
    columns, values = HOLD_COLUMNS.removesuffix(", instance"), hold_values(hold())[:-1]
    marks = ", ".join("?" for _ in values)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:step])
        connection.execute(f"INSERT INTO holds ({columns}, sealed_card) VALUES ({marks}, x'00')", values)
    prepare(path, 1.0)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(f"SELECT {HOLD_COLUMNS} FROM holds")
        (read,) = holds_from(connection, found.fetchall())
    assert read.instance == ""


def _changes(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT changes FROM change_counts WHERE area = 'revocations'")
    return int(found.fetchone()[0])


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A step is whole or not at all, and the store stays at the step before."""
    path = store_path(tmp_path)
    broken = Migration(VERSION + 1, "broken", ("CREATE TABLE half (a TEXT)", "NOT SQL"))
    prepare(path, 1.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.Error):
            migrate(connection, (*MIGRATIONS, broken))
        assert connection.execute("PRAGMA user_version").fetchone()[0] == VERSION
    assert "half" not in tables(path)


def test_a_newer_store_is_not_touched(tmp_path: Path) -> None:
    """An older program refuses a newer store, and says what to do."""
    path = store_path(tmp_path)
    prepare(path, 1.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(CountersignError, match="upgrade"):
        prepare(path, 1.0)


def test_several_processes_may_start_at_once(tmp_path: Path) -> None:
    """Whoever is first takes the steps; everyone starts."""
    code = "import sys, pathlib; from proxy.storage.migrations import prepare; prepare(pathlib.Path(sys.argv[1]), 10)"
    starts = [subprocess.Popen([sys.executable, "-c", code, str(store_path(tmp_path))]) for _ in range(4)]
    assert [start.wait() for start in starts] == [0, 0, 0, 0]


@pytest.mark.parametrize("content", [b"this is not a database, whatever its name is" * 100])
def test_what_is_not_a_store_is_an_error(tmp_path: Path, content: bytes) -> None:
    """A damaged file or a missing folder is an error with the path, and the file is left as it is."""
    path = store_path(tmp_path)
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="cannot prepare"):
        prepare(path, 1.0)
    assert path.read_bytes() == content
    with pytest.raises(StoreUnavailable, match="cannot open"):
        prepare(tmp_path / "missing" / "x.db", 1.0)
