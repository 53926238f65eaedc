"""A stream that says nothing for too long."""

import asyncio

import pytest

from proxy.control.signals.silence import Silence
from telemetry.errors import AuditUnavailable
from tests.fakes.control_house import Log
from tests.fakes.signal_house import transmitter


def test_silence_is_told_once_and_so_is_its_end(tmp_path, caplog):
    """In the log and on record, by name; a token ends the alarm."""

    async def main():
        log = Log(lambda: 0.0)
        one = transmitter(tmp_path, heartbeat=60.0)
        silence = Silence([one], log.append, 1000.0)
        await silence.look(1060.0)
        assert (silence.silent, log.types()) == (frozenset(), [])
        await silence.look(1061.0)
        await silence.look(1200.0)
        assert (silence.silent, log.types()) == ({one.issuer}, ["signal.silent"])
        assert log.records[0]["change"]["what"] == one.name
        await silence.heard(one, 1201.0)
        assert (silence.silent, log.types()) == (frozenset(), ["signal.silent", "signal.heard_again"])
        assert silence.heard_ago(1211.0) == {one.issuer: 10.0}
        await silence.look(1262.0)
        assert log.types()[2:] == ["signal.silent"]

    asyncio.run(main())
    assert sum("is silent" in line for line in caplog.messages) == 2


def test_without_an_expectation_there_is_no_alarm(tmp_path):
    """A transmitter that sends no signs of life may be silent for ever."""

    async def main():
        log = Log(lambda: 0.0)
        silence = Silence([transmitter(tmp_path)], log.append, 0.0)
        await silence.look(1e9)
        assert (silence.silent, log.types()) == (frozenset(), [])

    asyncio.run(main())


def test_an_alarm_that_cannot_be_written_is_raised_again(tmp_path):
    """Until it stands in the record."""

    async def main():
        log = Log(lambda: 0.0)
        silence = Silence([transmitter(tmp_path, heartbeat=60.0)], log.append, 0.0)
        log.broken = True
        with pytest.raises(AuditUnavailable):
            await silence.look(100.0)
        log.broken = False
        await silence.look(101.0)
        assert log.types() == ["signal.silent"]

    asyncio.run(main())
