"""The stored nodes of the tree."""

import pytest

from telemetry.errors import AuditDamaged
from telemetry.hashes import HashFiles, HashReader
from telemetry.tlog import fold, leaf_hash, root

LEAVES = [leaf_hash(str(number).encode()) for number in range(600)]


@pytest.fixture
def files(tmp_path):
    files = HashFiles(tmp_path)
    files.load(0)
    yield files
    files.close()


def memory_root(size):
    return root(size, lambda height, index: fold(LEAVES[index << height : index + 1 << height]))


def test_what_is_stored_gives_the_root(files, tmp_path):
    """The root from stored nodes, at any size, is the root of the leaves; upper levels are written as they fill."""
    files.append(LEAVES[:300])
    files.append(LEAVES[300:])
    reader = HashReader(tmp_path)
    assert files.frontier.root() == root(600, reader.node) == memory_root(600)
    assert root(511, reader.node) == memory_root(511)
    assert (reader.size, reader.count(1), reader.count(2)) == (600, 2, 0)
    reader.close()


def test_a_shorter_tree_can_be_taken_up(files, tmp_path):
    """Loading fewer leaves cuts every level back, and growing again gives the same tree."""
    files.append(LEAVES)
    files.load(200)
    assert (files.size, files.count(1)) == (200, 0)
    files.append(LEAVES[200:])
    assert files.frontier.root() == memory_root(600)


def test_lost_upper_levels_are_rebuilt(files, tmp_path):
    """An upper level that is missing or short is made again from the one below."""
    files.append(LEAVES)
    files.close()
    (tmp_path / "tree" / "1").write_bytes(b"")
    files.load(600)
    assert files.count(1) == 2
    assert files.node(8, 1) == fold(LEAVES[256:512])


def test_missing_hashes_are_not_made_up(files, tmp_path):
    """A node whose hashes are not stored, and a size beyond what is stored, are errors."""
    with pytest.raises(AuditDamaged, match="missing"):
        files.node(3, 0)
    with pytest.raises(AuditDamaged, match="holds 0"):
        files.load(5)
    reader = HashReader(tmp_path / "nowhere")
    assert reader.size == 0
    assert reader.stored(0, 0) is None


def test_a_failed_append_adds_nothing(files, monkeypatch):
    """If the disk takes only a part, the frontier stays, and the same leaves can come again."""
    files.append(LEAVES[:10])
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", lambda file, data, at: len(data) - 1)
        with pytest.raises(OSError, match="No space"):
            files.append(LEAVES[10:20])
    assert files.frontier.size == 10
    files.append(LEAVES[10:])
    files.sync()
    assert files.frontier.root() == memory_root(600)
