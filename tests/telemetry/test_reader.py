"""Reading a log, whole, from its end, by what is looked for, and while it grows."""

import threading

import pytest

from telemetry import reader
from telemetry.errors import AuditDamaged
from telemetry.layout import Layout
from tests.fakes.audit_records import TRACE, UP, approval_decided, completed, decided, recording, resumed, write_log

RECORDS = [decided(f"call_{number}") for number in range(30)]


@pytest.fixture(params=[None, 4000], ids=["one segment", "many segments"])
def log(request, tmp_path, monkeypatch):
    """A log of thirty records, in one segment or in many."""
    if request.param:
        monkeypatch.setattr("telemetry.segments.EntryFile.__init__.__defaults__", (request.param,))
    write_log(tmp_path, RECORDS)
    assert (len(Layout(tmp_path).segments()) > 1) == bool(request.param)
    return tmp_path


@pytest.mark.parametrize("start", [0, 1, 7, 29, 30, 99])
def test_from_anywhere_to_the_end(log, start):
    """Records come in order from the index asked for."""
    assert [record["idx"] for record in reader.records(log, start)] == list(range(start, 30))
    assert [index for index, _ in reader.lines(log, start)] == list(range(start, 30))


@pytest.mark.parametrize("block", [10, 1000, 65_536])
@pytest.mark.parametrize("count", [0, 1, 5, 30, 99])
def test_from_the_end(log, count, block, monkeypatch):
    """The last records come oldest first, whatever the size of the blocks read."""
    monkeypatch.setattr(reader, "_BLOCK", block)
    assert [record["idx"] for record in reader.tail(log, count)] == list(range(30))[-count or 30 :]


@pytest.mark.parametrize("before", [0, 1, 7, 30, 99])
def test_backwards_from_anywhere(log, before):
    """Records come newest first, and only those whose index is smaller."""
    assert [record["idx"] for record in reader.newest(log, before)] == list(reversed(range(min(before, 30))))


def test_an_unfinished_line_is_not_a_record(log):
    """What the writer has not finished is not seen from either end."""
    with Layout(log).segments()[-1][1].open("ab") as file:
        file.write(b'{"idx":30')
    assert [record["idx"] for record in reader.tail(log, 2)] == [28, 29]
    assert len(list(reader.records(log))) == 30


def test_an_empty_log(tmp_path):
    """Where nothing is, nothing is read."""
    assert list(reader.records(tmp_path)) == []
    assert reader.tail(tmp_path, 3) == []
    with recording(tmp_path):
        assert reader.tail(tmp_path, 3) == []


def test_finding(tmp_path):
    """A call, a task or a hold is found with all its records in order; what only looks alike is not."""
    write_log(
        tmp_path,
        [
            decided("call_1"),
            decided("call_11", task="call_1"),
            decided("call_2", "hold", approval={"id": "hold_1", "state": "requested"}),
            completed("call_1"),
            approval_decided(),
            resumed("call_2"),
        ],
    )
    assert [record["idx"] for record in reader.find(tmp_path, call="call_1")] == [0, 3]
    assert [record["idx"] for record in reader.find(tmp_path, hold="hold_1")] == [2, 4, 5]
    assert [record["idx"] for record in reader.find(tmp_path, task="task-77", call="call_2")] == [2, 5]
    assert [record["idx"] for record in reader.find(tmp_path, task="task-77", limit=2)] == [4, 5]
    assert reader.find(tmp_path, task="task-77", kind="task.") == []
    decisions = reader.find(tmp_path, call="call_1", kind="call.d")
    assert [record["type"] for record in decisions] == ["call.decided"]
    assert reader.find(tmp_path, call="call_3") == []
    with pytest.raises(ValueError, match="say which"):
        reader.find(tmp_path)


def test_finding_by_whose_it_is(tmp_path):
    """An agent, a trace, and who is behind a call, by kind and id: only whole ids match."""
    other = {"delegation": {"chain": ["human:alice2", "agent:writer"]}, "agent": {"id": "writer"}, "trace": {"id": UP}}
    write_log(tmp_path, [decided("call_1"), decided("call_2", **other), completed("call_2")])
    assert [record["idx"] for record in reader.find(tmp_path, root="human:alice")] == [0]
    assert [record["idx"] for record in reader.find(tmp_path, root="human:alice2")] == [1]
    assert reader.find(tmp_path, root="business_process:alice") == []
    assert [record["idx"] for record in reader.find(tmp_path, agent="writer")] == [1]
    assert [record["idx"] for record in reader.find(tmp_path, trace=TRACE)] == [0]


def test_following(tmp_path, monkeypatch):
    """A follower gets what is there and then each new record once, over segments, until told to stop."""
    monkeypatch.setattr("telemetry.segments.EntryFile.__init__.__defaults__", (2000,))
    monkeypatch.setattr(reader, "_POLL", 0.005)
    stop = threading.Event()
    seen = []
    with recording(tmp_path) as recorder:
        follower = reader.follow(tmp_path, 1, stop)
        for number in range(12):
            recorder.append_blocking(decided(f"call_{number}"))
            if number:
                seen.append(next(follower)["idx"])
        stop.set()
        assert list(follower) == []
    assert seen == list(range(1, 12))


def test_following_from_before_there_is_a_log(tmp_path):
    """A follower of a log that does not exist yet waits for it."""
    stop = threading.Event()
    stop.set()
    assert list(reader.follow(tmp_path, 0, stop)) == []


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b'"text"'])
def test_what_is_no_record(line):
    """A line that is no record is named."""
    with pytest.raises(AuditDamaged, match="record 7"):
        reader.parse(line, 7)
