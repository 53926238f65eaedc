"""The file of signed heads."""

import pytest

from telemetry.checkpoint import Checkpoint, sign_checkpoint, split_notes
from telemetry.errors import AuditDamaged
from telemetry.history import History
from telemetry.note import Signer, new_signer_key

SIGNER = Signer(new_signer_key("example.com/log"))
NOTES = [sign_checkpoint(Checkpoint("example.com/log", size, bytes(32)), SIGNER) for size in range(200)]


def written(path, notes):
    history = History(path)
    history.open()
    for note in notes:
        history.append(note, sync=False)
    return history


def test_the_last_note_is_found(tmp_path):
    """Opening gives the last note, however long the file; the notes come apart as they went in."""
    path = tmp_path / "checkpoints"
    assert History(path).open() is None
    written(path, NOTES)
    assert History(path).open() == NOTES[-1]
    with path.open() as lines:
        assert list(split_notes(lines)) == NOTES


@pytest.mark.parametrize("cut", range(1, len(NOTES[4].encode()) + 1))
def test_an_unfinished_note_is_cut_off(tmp_path, cut):
    """What a crash left of the last note is removed, wherever it was cut; appending goes on after the one before."""
    path = tmp_path / "checkpoints"
    written(path, NOTES[:5])
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    history = History(path)
    assert history.open() == NOTES[3]
    history.append(NOTES[4], sync=True)
    assert path.read_bytes() == data


def test_a_failed_append_leaves_nothing(tmp_path, monkeypatch):
    """After a full disk, the next append overwrites what was left of the failed one."""
    path = tmp_path / "checkpoints"
    history = written(path, NOTES[:2])
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", lambda file, data, at: 3)
        with pytest.raises(OSError, match="full"):
            history.append(NOTES[2], sync=False)
    history.append(NOTES[2], sync=False)
    assert path.read_bytes() == before + NOTES[2].encode() + b"\n"


def test_an_end_without_a_head_is_not_cut_off(tmp_path):
    """A file whose end holds no head at all is left as it is, for a person to look at."""
    path = tmp_path / "checkpoints"
    written(path, NOTES)
    whole = path.read_bytes() + bytes(20_000)
    path.write_bytes(whole)
    with pytest.raises(AuditDamaged, match="without a signed head"):
        History(path).open()
    assert path.read_bytes() == whole
