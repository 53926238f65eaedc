"""Reading a directory of policies, and its version."""

from pathlib import Path

import pytest

from policies import bundle
from policies.bundle import Bundle, read_policies
from policies.mistakes import PolicyMistakes

PERMIT = "permit (principal, action, resource);"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(path.name + ".cedar")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_all_policy_files_are_read_by_name(tmp_path: Path) -> None:
    """Files of the directory and of `observe/`, and nothing else."""
    write(tmp_path, b=PERMIT, a="", observe__c=PERMIT)
    (tmp_path / "notes.txt").write_text("permit")
    assert list(read_policies(tmp_path).sources) == ["a.cedar", "b.cedar", "observe/c.cedar"]


def test_an_empty_directory_is_a_bundle_that_denies(tmp_path: Path) -> None:
    """No files, no sources, but a version all the same."""
    assert read_policies(tmp_path).sources == {}
    assert read_policies(tmp_path).version.startswith("sha256:")


def test_the_version_is_of_names_and_texts(tmp_path: Path) -> None:
    """The same files anywhere have the same version; a changed text, name or border between files another."""
    version = Bundle({"a": "xy", "b": "z"}).version
    assert Bundle({"b": "z", "a": "xy"}, "elsewhere").version == version
    others = [
        {"a": "x", "b": "yz"},
        {"a": "xy", "c": "z"},
        {"a": "xy"},
        {"a": "xy", "b": "z", "c": ""},
        {"ax": "y", "b": "z"},
    ]
    assert version not in {Bundle(sources).version for sources in others}


def test_a_file_where_none_is_read_is_a_mistake(tmp_path: Path) -> None:
    """A policy in another folder would count for nothing without anybody noticing."""
    write(tmp_path, teams__a=PERMIT)
    with pytest.raises(
        PolicyMistakes, match=r"teams/a\.cedar: policies are read from this directory and from `observe/`"
    ):
        read_policies(tmp_path)


def test_a_missing_directory_is_a_mistake(tmp_path: Path) -> None:
    """It is not an empty bundle."""
    with pytest.raises(PolicyMistakes, match="there is no such directory"):
        read_policies(tmp_path / "none")


def test_every_unreadable_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large, not UTF-8, not a file: all of them at once, with the line where there is one."""
    monkeypatch.setattr(bundle, "MAX_FILE_BYTES", 100)
    write(tmp_path, large="/" * 101)
    (tmp_path / "latin.cedar").write_bytes(b"// ok\n// caf\xe9\n")
    (tmp_path / "folder.cedar").mkdir()
    with pytest.raises(PolicyMistakes) as caught:
        read_policies(tmp_path)
    told = [str(mistake).removeprefix(f"{tmp_path}/") for mistake in caught.value.mistakes]
    assert told == [
        "folder.cedar: cannot be read: Is a directory",
        "large.cedar: larger than 0 MiB; split it",
        "latin.cedar:2: not UTF-8; save the file as UTF-8",
    ]


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are of the whole bundle as well."""
    monkeypatch.setattr(bundle, "MAX_FILES", 1)
    write(tmp_path, a=PERMIT, b=PERMIT)
    with pytest.raises(PolicyMistakes, match="more than 1 files"):
        read_policies(tmp_path)
