"""Reading calls back from real audit logs."""

import asyncio
from pathlib import Path

import pytest

from proxy.control.log_reading import LogRecords
from proxy.errors import Declined
from telemetry.recorder import Recorder


async def write(folder: Path, *records: tuple[str, str]) -> None:
    recorder = Recorder(folder, f"test/{folder.name}", reserve_bytes=0)
    recorder.start()
    for type_, call in records:
        await recorder.append({"type": type_} | ({"call": call} if call else {}))
    recorder.close()


def test_calls_are_read_from_every_log(tmp_path: Path) -> None:
    """The newest first; records that belong to no call are left out; one call comes oldest first."""

    async def scenario() -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        await write(one, ("call.decided", "c1"), ("policy.changed", ""), ("call.completed", "c1"))
        await write(two, ("call.refused", "c2"))
        records = LogRecords(lambda: [one, two])
        assert [(row["type"], row["call"]) for row in await records.recent(10)] == [
            ("call.refused", "c2"),
            ("call.completed", "c1"),
            ("call.decided", "c1"),
        ]
        assert [row["call"] for row in await records.recent(1)] == ["c2"]
        assert [row["type"] for row in await records.of_call("c1")] == ["call.decided", "call.completed"]
        assert await records.of_call("") == []
        assert await records.of_call("c3") == []

    asyncio.run(scenario())


def test_what_a_service_was_told_is_found_by_its_transaction(tmp_path: Path) -> None:
    """In whichever log; a record of the same trace that tells of no token is none."""

    async def scenario() -> None:
        recorder = Recorder(tmp_path / "one", "test/one", reserve_bytes=0)
        recorder.start()
        for number, more in enumerate(({"downstream": {"txn": "txn_1"}}, {}, {"downstream": {"txn": "txn_2"}})):
            trace = {"id": "a" * 32 if number < 2 else "b" * 32}
            await recorder.append({"type": "call.decided", "call": f"c{number}", "trace": trace} | more)
        recorder.close()
        records = LogRecords(lambda: [tmp_path / "one"])
        assert [row["call"] for row in await records.of_transaction("a" * 32)] == ["c0"]
        assert await records.of_transaction("c" * 32) == []
        assert await records.of_transaction("") == []

    asyncio.run(scenario())


def test_older_records_are_read_from_a_place_on(tmp_path: Path) -> None:
    """Each comes with the place just below it, over all logs together; a place of other logs is a mistake."""

    async def scenario() -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        await write(one, ("call.decided", "c1"), ("policy.changed", ""), ("call.completed", "c1"))
        await write(two, ("call.refused", "c2"), ("call.refused", "c3"))
        records = LogRecords(lambda: [one, two])
        everything = await records.older(None, 10)
        assert [row["call"] for row, _ in everything] == ["c3", "c2", "c1", "c1"]
        assert [place for _, place in everything] == [(3, 1), (3, 0), (2, 0), (0, 0)]
        for index, (_, place) in enumerate(everything):
            assert await records.older(place, 10) == everything[index + 1 :]
        assert await records.older(None, 2) == everything[:2]
        assert await records.calls_since((2, 1), 10) == {"c1", "c3"}
        assert await records.calls_since((0, 0), 1) == {"c1", "c2"}
        with pytest.raises(Declined) as caught:
            await records.older((1,), 10)
        assert (caught.value.status, caught.value.code) == (422, "place_unknown")

    asyncio.run(scenario())


def test_an_empty_log_has_nothing_older(tmp_path: Path) -> None:
    """Neither from its end nor from any place."""

    async def scenario() -> None:
        await write(tmp_path / "one")
        records = LogRecords(lambda: [tmp_path / "one"])
        assert await records.older(None, 10) == []
        assert await records.older((7,), 10) == []
        assert await records.calls_since((0,), 10) == frozenset()

    asyncio.run(scenario())
