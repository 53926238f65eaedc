"""Reading calls back from real audit logs."""

import asyncio
from pathlib import Path

from proxy.control.log_reading import LogRecords
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
