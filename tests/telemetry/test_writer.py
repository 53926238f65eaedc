"""The writer thread: in subprocesses that are killed, and against limits of the operating system."""

import asyncio
import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from telemetry import reader
from telemetry.errors import AuditUnavailable
from telemetry.layout import Layout
from telemetry.segments import EntryFile
from telemetry.verify import verify
from telemetry.writer import MAX_UNSIGNED_AGE, Writer
from tests.fakes.audit_records import decided, recording, write_log
from tests.fakes.waiting import PATIENCE

ROOT = Path(__file__).parents[2]

KILLED = """
import asyncio, sys
from pathlib import Path
from telemetry.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), "test.example/audit/n1", reserve_bytes=0)
recorder.start()

async def caller(number):
    turn = 0
    while True:
        index = await recorder.append({"type": "call.decided", "call": f"{sys.argv[2]}_{number}_{turn}"})
        sys.stdout.write(f"{index} {sys.argv[2]}_{number}_{turn}\\n")
        sys.stdout.flush()
        turn += 1

async def main():
    await asyncio.gather(*(caller(number) for number in range(8)))

asyncio.run(main())
"""

LIMITED = """
import resource, signal, sys
from pathlib import Path
from telemetry.errors import AuditUnavailable
from telemetry.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), "test.example/audit/n1", reserve_bytes=0)
recorder.start()
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
written = refused = 0
while refused < 3:
    try:
        recorder.append_blocking({"type": "call.decided", "call": "c", "task": "x" * 700})
        written += 1
    except AuditUnavailable:
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
while not recorder.healthy:
    pass
index = recorder.append_blocking({"type": "call.decided", "call": "last"})
recorder.close()
print(written, index)
"""


def run(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path):
    """Killed in the middle of its work, several times over, the log holds every record it acknowledged, gapless."""
    acknowledged = {}
    chance = random.Random(7)
    for turn in range(5):
        with run(KILLED, tmp_path, f"round{turn}") as process:
            lines = [process.stdout.readline() for _ in range(chance.randint(50, 400))]
            os.kill(process.pid, signal.SIGKILL)
            lines += process.stdout.readlines()
        for line in lines:
            if line.endswith("\n"):
                index, call = line.split()
                acknowledged[int(index)] = call
    with recording(tmp_path) as recorder:
        size = recorder.size
    assert len(acknowledged) > 250
    stored = [record["call"] for record in reader.records(tmp_path)]
    assert len(stored) == size
    lost = {index: call for index, call in acknowledged.items() if stored[index] != call}
    assert not lost
    report = verify(tmp_path)
    assert (report.findings, report.unsigned) == ([], 0)


def test_the_calls_of_one_turn_are_one_batch(tmp_path, monkeypatch):
    """What the calls of one turn of the event loop record goes to the disk in one write."""
    sizes = []

    def counted(entries, data, next_index):
        sizes.append(data.count(b"\n"))
        append(entries, data, next_index)

    async def main():
        await asyncio.gather(*(recorder.append(decided(f"call_{number}")) for number in range(32)))

    append = EntryFile.append
    monkeypatch.setattr(EntryFile, "append", counted)
    monkeypatch.setattr("telemetry.writer._LINGER", 10)
    with recording(tmp_path) as recorder:
        asyncio.run(main())
    assert sizes == [32]


def test_a_thread_does_not_wait_for_the_turn_of_a_loop(tmp_path, monkeypatch):
    """A record from a thread is durable even while an event loop, whose own record waits, does not come to an end."""
    monkeypatch.setattr("telemetry.writer._LINGER", 10)

    async def main():
        waiting = asyncio.ensure_future(recorder.append(decided("call_1")))
        asyncio.get_running_loop().call_soon(lambda: indexes.append(recorder.append_blocking(decided("call_2"))))
        indexes.append(await waiting)

    indexes = []
    with recording(tmp_path) as recorder:
        asyncio.run(main())
    assert sorted(indexes) == [0, 1]


def test_a_file_size_limit_is_refused_and_recovered_from(tmp_path):
    """When the operating system refuses to let the file grow, appends are refused; lifted, they go on by themselves."""
    with run(LIMITED, tmp_path) as process:
        written, index = map(int, process.stdout.readline().split())
    assert process.returncode == 0
    assert index == written + 1, "the records, one gap, then the last"
    report = verify(tmp_path)
    assert (report.findings, report.size) == ([], written + 2)


def test_a_log_that_was_removed_is_noticed(tmp_path):
    """When the file that is written is no longer the one that readers see, appends are refused."""
    with recording(tmp_path) as recorder:
        recorder.append_blocking(decided())
        recorder._writer._looked_at = float("-inf")
        segment = Layout(tmp_path).segment(0)
        segment.rename(tmp_path / "elsewhere")
        wait_for(lambda: "removed or replaced" in recorder.trouble)
        (tmp_path / "elsewhere").rename(segment)
        wait_for(lambda: recorder.healthy)
    assert verify(tmp_path).ok


def test_a_shorter_file_is_never_written_to(tmp_path):
    """If acknowledged bytes disappear from the file, the recorder says so and stays closed to calls."""
    with recording(tmp_path) as recorder:
        recorder.append_blocking(decided())
        recorder._writer._looked_at = float("-inf")
        segment = Layout(tmp_path).segment(0)
        segment.unlink()
        segment.touch()
        wait_for(lambda: "were acknowledged" in recorder.trouble)


def test_heads_that_cannot_be_signed_end_in_refusal(tmp_path):
    """A tail that stays unsigned for too long means that calls are refused."""
    with recording(tmp_path) as recorder:
        recorder._keeper.unsigned_since = time.monotonic() - MAX_UNSIGNED_AGE - 1
        assert "could not be signed" in recorder.trouble
        recorder._keeper.unsigned_since = None
        assert recorder.healthy


def test_a_full_queue_is_refused(tmp_path, monkeypatch):
    """When too many records wait, callers are refused and outcomes counted as lost."""
    write_log(tmp_path, [decided()])
    with recording(tmp_path) as recorder, monkeypatch.context() as patched:
        patched.setattr("telemetry.writer._MAX_WAITING", 0)
        assert "too many" in recorder.trouble
        assert recorder.append_nowait(decided()).exception(0) is not None
        assert recorder._writer.lost == 1


def test_the_disk_fails_again_after_the_gap_was_written(tmp_path, monkeypatch):
    """A disk that fails again just when the gap is on record is one more trouble, and ends without a restart."""
    append, failures = EntryFile.append, iter([True, True, False, True])

    def fails(entries, data, next_index):
        if next(failures, False):
            raise OSError(errno.EIO, "no")
        append(entries, data, next_index)
        if b"audit.gap" in data and not late:
            late.append(recorder.append_nowait(decided("call_2")))

    late = []
    monkeypatch.setattr(EntryFile, "append", fails)
    with recording(tmp_path) as recorder:
        first = recorder.append_nowait(decided("call_1"))
        wait_for(lambda: late and late[0].done() and recorder.healthy)
        assert first.result(0) < late[0].result(0)
    assert verify(tmp_path).ok


@pytest.mark.parametrize("broken", ["_look", "_try_to_mend", "_commit"])
def test_what_nobody_foresaw_does_not_end_the_writer(tmp_path, monkeypatch, caplog, broken):
    """A bug in the writer refuses calls, is told of once, and is over when it is: no thread dies of it."""

    def fails(*_):
        raise RuntimeError("card 4111")

    with recording(tmp_path) as recorder:
        with monkeypatch.context() as patched:
            patched.setattr(Writer, broken, fails)
            if broken == "_try_to_mend":
                recorder._writer._begin_trouble("the audit log cannot be written: no")
            outcome = recorder.append_nowait(decided("call_1"))
            wait_for(lambda: "RuntimeError" in recorder.trouble)
            with pytest.raises(AuditUnavailable, match="RuntimeError"):
                recorder.append_blocking(decided("call_2"))
        wait_for(lambda: recorder.healthy)
        assert outcome.result(PATIENCE) == 0
        assert recorder.append_blocking(decided("call_3")) >= 1
    assert [record.getMessage() for record in caplog.records if "RuntimeError" in record.getMessage()] == [
        f"{tmp_path}: the audit log cannot be written: RuntimeError; calls are refused until it can be"
    ]
    assert verify(tmp_path).ok


def test_what_nobody_foresaw_while_writing_loses_no_outcome(tmp_path, monkeypatch):
    """A bug beside the disk refuses whose call waits, and keeps the outcomes for when it is over."""

    def fails(*_):
        raise RuntimeError("a bug")

    with recording(tmp_path) as recorder:
        with monkeypatch.context() as patched:
            patched.setattr(EntryFile, "append", fails)
            outcome = recorder.append_nowait(decided("call_1"))
            wait_for(lambda: "RuntimeError" in recorder.trouble)
        wait_for(lambda: recorder.healthy)
        assert outcome.result(0) == 0
    assert verify(tmp_path).ok


def test_who_cannot_be_told_is_written_once(tmp_path, monkeypatch):
    """A durable record whose caller could not be told is neither written again nor missing in the tree."""

    def fails(entries, results):
        monkeypatch.undo()
        raise RuntimeError("a bug")

    with recording(tmp_path) as recorder:
        monkeypatch.setattr("telemetry.writer.deliver", fails)
        recorder.append_nowait(decided("call_1"))
        wait_for(lambda: recorder.size == 2)
    assert [record["type"] for record in reader.records(tmp_path)] == ["call.decided", "audit.gap"]
    assert verify(tmp_path).ok


def test_a_time_that_is_none_fails_alone(tmp_path):
    """A record whose time cannot be written is refused to its own caller; those after it are written."""
    with recording(tmp_path) as recorder:
        with pytest.raises(AuditUnavailable, match="cannot be written"):
            recorder.append_blocking(decided() | {"at": float("nan")})
        assert recorder.append_blocking(decided()) == 0
        assert recorder.healthy


def wait_for(true):
    """Until the writer thread has seen it: it looks several times a second."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "not seen in time"
        time.sleep(0.01)
