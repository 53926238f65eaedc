"""Files of a log that are there whole or not at all."""

import os
import stat

import pytest

from telemetry.durable import PRIVATE, replace_file, sync_directory


def test_a_file_is_replaced_whole(tmp_path):
    """What it held is gone, its mode is the one asked for, and no draft lies beside, whatever a crash left there."""
    path = tmp_path / "head"
    path.write_text("much longer than what comes")
    (tmp_path / "head.new").write_text("of a crash")
    (tmp_path / "head.new").chmod(0o666)
    replace_file(path, "new\n", PRIVATE)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new\n", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """The content is forced to the disk, then the name given, then the name forced to the disk."""
    seen, sync, rename = [], os.fsync, type(tmp_path).replace

    def fsync(file):
        seen.append("directory" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        sync(file)

    def replace(self, target):
        seen.append("name")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(type(tmp_path), "replace", replace)
    replace_file(tmp_path / "head", "new")
    assert seen == ["file", "name", "directory"]


def test_what_fails_leaves_what_was_there(tmp_path):
    """Where there is no directory, or a folder has the name, it is an error."""
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        replace_file(tmp_path / "taken", "new")
    assert (tmp_path / "taken" / "inside").is_dir()
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "missing" / "head", "new")
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "missing")
