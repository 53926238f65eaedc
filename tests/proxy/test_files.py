"""Files that are there whole or not at all."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.files import marks, open_to_others, publish_once, replace_file
from telemetry.durable import sync_directory


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """What it held is gone, what it holds is all of the new, its mode is the one asked for, and nothing lies beside."""
    path = tmp_path / "keys"
    path.write_text("much longer than what comes")
    replace_file(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)
    replace_file(path, b"for all", 0o644)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"for all", 0o644)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_others_may_enter_is_named(tmp_path: Path) -> None:
    """With its mode and what to do; one that is ours alone, or not there, needs nothing."""
    folder = tmp_path / "state"
    assert open_to_others(folder) == ""
    for mode in (0o700, 0o500):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
        assert open_to_others(folder) == ""
    for mode in (0o701, 0o740, 0o2770):
        folder.chmod(mode)
        assert (
            open_to_others(folder) == f"others may enter it (mode {mode:04o}), and it holds keys: `chmod 700 {folder}`"
        )


def test_the_first_one_to_publish_wins(tmp_path: Path) -> None:
    """Of many who publish at once one wins, and its content stays, for nobody else to read."""
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: publish_once(path, b"%d" % number * 1000), range(8)))
    won = path.read_bytes()
    publish_once(path, b"late")
    assert won in {b"%d" % number * 1000 for number in range(8)}
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (won, 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A folder in the file's place, or none to put it in, is an error; no draft is left, and what was there stays."""
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        replace_file(tmp_path / "taken", b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["taken"]
    for write in (replace_file, publish_once):
        with pytest.raises(FileNotFoundError):
            write(tmp_path / "missing" / "file", b"new")
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "missing")


def test_whatever_happens_to_a_file_changes_its_mark(tmp_path: Path) -> None:
    """Written, put, removed, replaced, its time set back, the link before it swapped; what is hidden does not count."""
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (other / "b").write_text("elsewhere")
    file, link = folder / "a", tmp_path / "link"
    link.symlink_to(folder)
    seen = [marks([link, file, tmp_path / "none"])]

    def changed(what: str) -> None:
        seen.append(marks([link, file, tmp_path / "none"]))
        assert seen[-1] not in seen[:-1], what
        assert marks([link, file, tmp_path / "none"]) == seen[-1], what

    file.write_text("one")
    changed("put")
    times = file.stat()
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed("written, and its time set back")
    replace_file(file, b"two")
    changed("replaced by the same")
    (folder / ".draft").write_text("x")
    folder_mark = marks([file])
    assert folder_mark == seen[-1][-2:-1]
    link.unlink()
    link.symlink_to(other)
    changed("another folder")
    file.unlink()
    changed("removed")
