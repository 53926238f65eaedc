"""The files of an inventory at one moment."""

from proxy.inventory import files
from proxy.inventory.files import take_snapshot


def test_yaml_files_of_the_directory_are_taken_and_nothing_else(tmp_path):
    """Editors' leftovers, hidden files, other formats and subfolders are not part of the inventory."""
    for name in ("b.yaml", "a.yml", ".c.yaml", "d.yaml~", "e.json", "f.yaml.swp"):
        (tmp_path / name).write_text("x")
    (tmp_path / "openapi").mkdir()
    (tmp_path / "openapi" / "g.yaml").write_text("x")
    snapshot = take_snapshot(tmp_path)
    assert [path.name for path in snapshot.own] == ["a.yml", "b.yaml"]
    assert snapshot.mistakes == ()


def test_a_single_file_is_an_inventory_too(tmp_path):
    """The path may name one file instead of a directory."""
    path = tmp_path / "all.yaml"
    path.write_text("x")
    assert list(take_snapshot(path).own) == [path]


def test_the_digest_changes_with_any_content_name_or_failure(tmp_path):
    """Same-length edits, renames, referenced and unreadable files change the digest; touching a file does not."""
    path, other = tmp_path / "a.yaml", tmp_path / "openapi.json"
    path.write_text("aa")
    digests = [take_snapshot(tmp_path).digest, take_snapshot(tmp_path, [other]).digest]
    other.write_text("{}")
    digests.append(take_snapshot(tmp_path, [other]).digest)
    path.write_text("ab")
    digests.append(take_snapshot(tmp_path).digest)
    path.touch()
    assert take_snapshot(tmp_path).digest == digests[-1]
    path.rename(tmp_path / "b.yaml")
    digests.append(take_snapshot(tmp_path).digest)
    (tmp_path / "c.yaml").mkdir()
    digests.append(take_snapshot(tmp_path).digest)
    assert len(set(digests)) == len(digests)


def test_no_directory_no_files_and_too_many_are_mistakes(tmp_path, monkeypatch):
    """An inventory that is not there, is empty, or is absurdly large says so."""
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert [str(mistake) for mistake in take_snapshot(tmp_path / "none").mistakes] == [
        "none: is not a readable inventory: no such file or directory"
    ]
    assert [str(mistake) for mistake in take_snapshot(empty).mistakes] == [
        "empty: holds no *.yaml files; `countersign init` writes a small inventory"
    ]
    monkeypatch.setattr(files, "MAX_FILES", 1)
    (empty / "a.yaml").touch()
    (empty / "b.yaml").touch()
    assert [str(mistake) for mistake in take_snapshot(empty).mistakes] == ["empty: holds over 1 files; merge some"]
