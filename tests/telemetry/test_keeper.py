"""Signed heads, and listeners, off the path of a call."""

import threading

import pytest

from telemetry import keeper as module
from telemetry.checkpoint import open_checkpoint, parse_policy, split_notes
from telemetry.hashes import HashFiles
from telemetry.history import History
from telemetry.keeper import Keeper
from telemetry.layout import Layout
from telemetry.note import Signer, Verifier, new_signer_key
from telemetry.salts import Salts
from telemetry.tlog import leaf_hash
from tests.fakes.waiting import PATIENCE

SIGNER = Signer(new_signer_key("example.com/log"))
LEAVES = [leaf_hash(str(number).encode()) for number in range(10)]
POLICY = parse_policy(f"log {Verifier(SIGNER.vkey).vkey}\nquorum none\n")


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


@pytest.fixture
def keeper(layout):
    tree = HashFiles(layout.directory)
    tree.load(0)
    history = History(layout.checkpoints)
    history.open()
    keeper = Keeper(layout, tree, history, SIGNER, Salts(layout.salts))
    yield keeper
    keeper.close()
    tree.close()


def heads(layout):
    with layout.checkpoints.open() as lines:
        return [open_checkpoint(note, POLICY) for note in split_notes(lines)]


def test_a_grown_tree_is_signed(layout, keeper):
    """The tree is signed when it has grown, in `checkpoint` and in the history; an empty log signs that it is empty."""
    keeper._work(final=False)
    keeper.add(LEAVES, [])
    keeper._signed_at -= 2
    keeper._work(final=False)
    assert [head.size for head in heads(layout)] == [0, 10]
    assert open_checkpoint(layout.checkpoint.read_text(), POLICY) == keeper.head == heads(layout)[1]
    assert keeper.unsigned_since is None


def test_not_more_often_than_each_second(layout, keeper):
    """What comes within a second of the last head waits for the next, and is known to be unsigned."""
    keeper._work(final=False)
    keeper.add(LEAVES, [])
    keeper._work(final=False)
    assert [head.size for head in heads(layout)] == [0]
    assert keeper.unsigned_since is not None


def test_an_idle_log_shows_that_it_lives(layout, keeper):
    """After a minute without records the newest head is written again, but not into the history."""
    keeper._work(final=False)
    layout.checkpoint.unlink()
    keeper._signed_at -= 61
    keeper._work(final=False)
    assert layout.checkpoint.exists()
    assert len(heads(layout)) == 1


def test_closing_signs_the_rest(layout, keeper):
    """Closing signs what was not signed yet, however soon after the last head."""
    keeper.start(None)
    keeper.add(LEAVES[:3], [])
    keeper.close()
    assert heads(layout)[-1].size == 3


def test_listeners_get_every_record_in_order(keeper):
    """Each durable record reaches each listener; one that fails does not keep it from the others."""
    seen = []

    def fails(records):
        raise RuntimeError("a bug")

    keeper.subscribe(fails)
    keeper.subscribe(seen.extend)
    keeper.add(LEAVES[:2], [{"idx": 0}, {"idx": 1}])
    keeper.add(LEAVES[2:3], [{"idx": 2}])
    keeper._work(final=False)
    assert [record["idx"] for record in seen] == [0, 1, 2]
    assert keeper.head.size == 3


def test_a_disk_that_fails_is_tried_again(layout, keeper, monkeypatch, caplog):
    """While heads cannot be written the tail counts as unsigned; afterwards the same records are signed."""
    keeper.add(LEAVES, [])
    with monkeypatch.context() as patched:
        patched.setattr(module, "sign_checkpoint", lambda *_: (_ for _ in ()).throw(OSError("no")))
        keeper._work(final=True)
    assert keeper.failure == "no"
    assert keeper.unsigned_since is not None
    assert not layout.checkpoint.exists()
    keeper._work(final=True)
    assert (keeper.failure, keeper.head.size) == ("", 10)
    assert caplog.text.count("heads are signed again") == 1


def test_the_thread_works_by_itself(layout, keeper):
    """Once started, records reach listeners without anybody asking."""
    arrived = threading.Event()
    keeper.subscribe(lambda records: arrived.set())
    keeper.start(None)
    keeper.add(LEAVES[:1], [{"idx": 0}])
    assert arrived.wait(PATIENCE)


def test_salts_are_written_beside_the_heads(keeper, layout, caplog):
    """Salts reach their file; one that cannot be written keeps no head from being signed, and is told of once."""
    layout.salts.mkdir()
    keeper._salts.add("call_1", b"s" * 32)
    keeper.add(LEAVES, [])
    for _ in range(3):
        keeper._work(final=True)
    assert keeper.head.size == len(LEAVES)
    assert caplog.text.count("salts cannot be written yet") == 1
    layout.salts.rmdir()
    for _ in range(3):
        keeper._work(final=True)
    assert keeper._salts.find("call_1") == b"s" * 32
    assert caplog.text.count("salts are written again") == 1
