"""Durable or refused: the promise of the recorder."""

import asyncio
import concurrent.futures
import errno
import os
import threading

import pytest

from telemetry import reader
from telemetry import recorder as module
from telemetry.errors import AuditDamaged, AuditUnavailable
from telemetry.layout import Layout
from telemetry.recorder import Recorder
from telemetry.verify import verify
from tests.fakes.audit_records import ORIGIN, completed, decided, recording
from tests.fakes.faulty_disk import faulty_disk
from tests.fakes.waiting import PATIENCE, until


async def until_healthy(recorder):
    """The writer thread tries the disk again several times a second."""
    async with asyncio.timeout(PATIENCE):
        while not recorder.healthy:  # noqa: ASYNC110 - it is another thread that mends
            await asyncio.sleep(0.01)


def test_a_record_is_on_the_disk_when_append_returns(tmp_path):
    """The record is in the entries, complete and numbered, before `append` returns its index."""

    async def main():
        index = await recorder.append(decided())
        (stored,) = reader.records(tmp_path)
        assert (index, stored["idx"], stored["call"], stored["log"]) == (0, 0, "call_1", ORIGIN)
        assert stored["ts"] == "2026-09-21T14:13:20.250000Z"
        assert {"v", "canon", "id"} <= stored.keys()
        assert not {"at", "prev"} & stored.keys()

    with recording(tmp_path) as recorder:
        asyncio.run(main())
    assert verify(tmp_path).ok


def test_many_callers(tmp_path):
    """Each of many concurrent callers gets its own index, and the log holds each record once, in that order."""

    async def caller(number):
        return [await recorder.append(decided(f"call_{number}_{turn}")) for turn in range(20)]

    async def main():
        return await asyncio.gather(*(caller(number) for number in range(32)))

    with recording(tmp_path) as recorder:
        indexes = asyncio.run(main())
        assert recorder.size == 640
        assert recorder.healthy
    assert sorted(index for of_caller in indexes for index in of_caller) == list(range(640))
    stored = {record["idx"]: record["call"] for record in reader.records(tmp_path)}
    for number, of_caller in enumerate(indexes):
        assert [stored[index] for index in of_caller] == [f"call_{number}_{turn}" for turn in range(20)]
    assert verify(tmp_path).ok


def test_outcomes_are_not_waited_for(tmp_path):
    """`append_nowait` returns at once; closing makes durable what waits, in the order it came."""

    async def main():
        await recorder.append(decided())
        future = recorder.append_nowait(completed())
        assert isinstance(future, asyncio.Future)
        return await future

    with recording(tmp_path) as recorder:
        assert asyncio.run(main()) == 1
        outside = recorder.append_nowait(completed("call_2"))
        assert isinstance(outside, concurrent.futures.Future)
    assert outside.result(0) == 2
    assert recorder.waiting == 0


def test_the_log_goes_on_after_a_restart(tmp_path):
    """A closed and reopened log continues its numbers, its chain and its tree."""
    for turn in range(3):
        with recording(tmp_path) as recorder:
            assert recorder.append_blocking(decided(f"call_{turn}")) == turn
    report = verify(tmp_path)
    assert (report.findings, report.size, report.unsigned) == ([], 3, 0)
    assert recorder.root == recorder.checkpoint.root == report.root


def test_the_clock_dates_what_has_no_time(tmp_path):
    """A record without `at` carries the time at which it was written."""
    with recording(tmp_path, clock=lambda: 1_790_000_000.0) as recorder:
        recorder.append_blocking({"type": "proxy.started"})
    assert next(reader.records(tmp_path))["ts"] == "2026-09-21T14:13:20.000000Z"


def test_a_listener_sees_what_is_durable(tmp_path):
    """A subscriber gets the records as they stand in the log."""
    seen = []
    with recording(tmp_path) as recorder:
        recorder.subscribe(seen.extend)
        recorder.append_blocking(decided())
    assert seen == list(reader.records(tmp_path))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_recorder_that_is_not_open_refuses(tmp_path, when):
    """Before `start` and after `close`, appending is refused, waiting or not."""
    recorder = Recorder(tmp_path, ORIGIN, reserve_bytes=0)
    if when == "after":
        recorder.start()
        recorder.close()
        recorder.close()
    assert not recorder.healthy

    async def main():
        with pytest.raises(AuditUnavailable, match="not open"):
            await recorder.append(decided())
        with pytest.raises(AuditUnavailable):
            await recorder.append_nowait(completed())

    asyncio.run(main())
    with pytest.raises(AuditUnavailable):
        recorder.append_blocking(decided())
    if when == "before":
        with pytest.raises(AuditUnavailable):
            recorder.subscribe(print)
        assert recorder.root == b""


@pytest.mark.parametrize(
    ("poison", "match"),
    [
        ({"task": "\ud800"}, "cannot be written"),
        ({"task": object()}, "cannot be written"),
        ({"task": "x" * 70_000}, "larger than 65535"),
        ({7: "seven"}, "cannot be written"),
    ],
)
def test_a_record_that_cannot_be_written_fails_alone(tmp_path, poison, match):
    """What JSON cannot carry, or is too large, is refused to its own caller; those beside it are not touched."""

    async def main():
        return await asyncio.gather(
            recorder.append(decided("call_1")),
            recorder.append(decided("call_2") | poison),
            recorder.append(decided("call_3")),
            return_exceptions=True,
        )

    with recording(tmp_path) as recorder:
        first, second, third = asyncio.run(main())
        assert (first, third) == (0, 1)
        assert isinstance(second, AuditUnavailable)
        with pytest.raises(AuditUnavailable, match=match):
            recorder.append_blocking(decided() | poison)
    assert verify(tmp_path).ok


@pytest.mark.parametrize("partial", [0, 7, 500])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_means_no(tmp_path, monkeypatch, error, partial):
    """While the disk fails every append is refused and nothing of it stays; then it works without a restart.

    Outcomes of calls already under way are kept and written afterwards, and the gap itself is on record.
    """

    async def main():
        assert await recorder.append(decided("call_1")) == 0
        disk.broken, disk.partial = error, partial
        with pytest.raises(AuditUnavailable, match="cannot be written"):
            await recorder.append(decided("call_2"))
        assert not recorder.healthy
        outcome = recorder.append_nowait(completed("call_1"))
        with pytest.raises(AuditUnavailable, match="cannot be written"):
            await recorder.append(decided("call_3"))
        # an attempt that began before the outcome was there would put the gap before it: wait for one that did not
        tried = disk.failures
        await until(lambda: disk.failures >= tried + 2)
        # a write that fails half-way is taken back: what a reader sees in between does not stay
        await until(lambda: [record["call"] for record in reader.records(tmp_path)] == ["call_1"])
        disk.broken = 0
        assert await asyncio.wait_for(outcome, PATIENCE) == 1
        await until_healthy(recorder)
        assert await recorder.append(decided("call_4")) == 3

    with recording(tmp_path) as recorder, faulty_disk(monkeypatch) as disk:
        asyncio.run(main())
    kinds = [(record["type"], record.get("call")) for record in reader.records(tmp_path)]
    assert kinds == [
        ("call.decided", "call_1"),
        ("call.completed", "call_1"),
        ("audit.gap", None),
        ("call.decided", "call_4"),
    ]
    gap = list(reader.records(tmp_path))[2]["gap"]
    assert gap["refused"] == 2
    assert os.strerror(error) in gap["cause"]
    assert verify(tmp_path).ok


def test_the_reserve_pays_for_outcomes(tmp_path, monkeypatch):
    """On a full disk the reserve is freed and outcomes are written at once, but calls stay refused until it is back."""

    async def main():
        await recorder.append(decided("call_1"))
        disk.broken = errno.ENOSPC
        outcome = recorder.append_nowait(completed("call_1"))
        with pytest.raises(AuditUnavailable):
            await recorder.append(decided("call_2"))
        monkeypatch.setattr(type(disk), "check", lambda *_: None)  # the freed space takes entries, not the reserve
        assert await asyncio.wait_for(outcome, PATIENCE) == 1
        assert Layout(tmp_path).reserve.stat().st_size == 0
        with pytest.raises(AuditUnavailable):
            await recorder.append(decided("call_3"))
        disk.broken = 0
        await until_healthy(recorder)

    with recording(tmp_path) as recorder, faulty_disk(monkeypatch) as disk:
        asyncio.run(main())


def test_outcomes_that_never_find_a_disk(tmp_path, monkeypatch):
    """Closing with the disk still refusing ends, tells whoever asked, and leaves a log that verifies."""
    with faulty_disk(monkeypatch) as disk, recording(tmp_path) as recorder:
        recorder.append_blocking(decided())
        disk.broken = errno.EIO
        with pytest.raises(AuditUnavailable):
            recorder.append_blocking(decided("call_2"))
        outcome = recorder.append_nowait(completed())
        recorder.close()
    with pytest.raises(AuditUnavailable):
        outcome.result(0)
    assert verify(tmp_path).size == 1


def test_a_disk_that_does_not_answer(tmp_path, monkeypatch):
    """A caller is refused when its record is not durable in time, and later ones at once; then the disk is back."""
    stuck, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(module, "MAX_AGE", 0.1)
    monkeypatch.setattr("telemetry.writer.MAX_AGE", 0.1)

    def hang(*_):
        stuck.set()
        go_on.wait(PATIENCE)

    async def main():
        with pytest.raises(AuditUnavailable, match="in time"):
            await recorder.append(decided("call_1"))
        assert stuck.is_set()
        async with asyncio.timeout(PATIENCE):
            while not recorder.trouble:  # noqa: ASYNC110 - it is the age of a thread's work that makes the trouble
                await asyncio.sleep(0.01)
        with pytest.raises(AuditUnavailable, match="does not answer"):
            await recorder.append(decided("call_2"))
        with pytest.raises(AuditUnavailable, match="does not answer"):
            recorder.append_blocking(decided("call_2"))
        go_on.set()
        monkeypatch.setattr("telemetry.writer.MAX_AGE", PATIENCE)
        await until_healthy(recorder)
        monkeypatch.setattr(type(disk), "check", lambda *_: None)
        await recorder.append_nowait(decided("call_3"))  # which a real disk may take its time for

    with recording(tmp_path) as recorder, faulty_disk(monkeypatch) as disk:
        monkeypatch.setattr(type(disk), "check", hang)
        asyncio.run(main())
    assert verify(tmp_path).ok


def test_a_cancelled_caller_does_no_harm(tmp_path):
    """If the caller gives up while waiting, its record may stand; the others are served."""

    async def main():
        task = asyncio.ensure_future(recorder.append(decided("call_1")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await recorder.append(decided("call_2"))

    with recording(tmp_path) as recorder:
        asyncio.run(main())
    assert [record["call"] for record in reader.records(tmp_path)] == ["call_1", "call_2"]


def test_a_directory_that_cannot_be_made(tmp_path):
    """Where no directory can be made, starting is refused with the place in the message, and nothing is left open."""
    (tmp_path / "file").touch()
    with pytest.raises(AuditUnavailable, match="cannot be opened for writing"):
        Recorder(tmp_path / "file" / "log", ORIGIN).start()


def test_a_disk_too_full_to_start(tmp_path, monkeypatch):
    """Without room for the reserve the log is not opened."""
    with faulty_disk(monkeypatch) as disk:
        disk.broken = errno.ENOSPC
        with pytest.raises(AuditUnavailable):
            Recorder(tmp_path, ORIGIN).start()
    with recording(tmp_path):
        pass


def test_a_name_that_cannot_be_an_origin(tmp_path):
    """An origin with spaces cannot name a log."""
    with pytest.raises(AuditDamaged, match="cannot name"):
        Recorder(tmp_path, "my log").start()
