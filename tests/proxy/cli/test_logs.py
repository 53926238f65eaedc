"""What is logged is one line for each record, and says nothing that it should not."""

import asyncio
import json
import logging
import re
from pathlib import Path

import pytest

from proxy.cli.logs import LogFormat, LogLevel, _Json, _Text, log_lines
from tests.proxy.cli.conftest import Give, add_stranger, start_serve, stop, write_config

OURS = logging.getLogger("countersign.tests")
SECRET = "4111-1111-1111-1111"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) [a-z.]+: .+")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_record_is_a_line_with_time_weight_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    """The time is in UTC and says so."""
    with log_lines():
        OURS.warning("%s is away", "the store")
    (line,) = lines(capsys)
    assert LINE.fullmatch(line)
    assert line.endswith(" WARNING countersign.tests: the store is away")


@pytest.mark.parametrize("shape", [_Text, _Json])
def test_whatever_is_in_it_a_record_stays_one_line(shape: type[logging.Formatter]) -> None:
    """New lines, escape sequences, bidirectional marks and what is no text at all are escaped."""
    said = "a\r\nb\x1b[2Jc\u2028d\u202ee\x00f\ud800g\x85h"
    line = shape().format(OURS.makeRecord(OURS.name, logging.WARNING, __file__, 1, "%s", (said,), None))
    assert line.isprintable()
    assert all(letter in line for letter in "abcdefgh")


@pytest.mark.parametrize("shape", LogFormat)
def test_an_error_is_named_without_its_text(capsys: pytest.CaptureFixture[str], shape: LogFormat) -> None:
    """What failed and where is told, with what it came from; what it says may quote a call."""
    with log_lines(format=shape):
        try:
            try:
                raise KeyError(SECRET)
            except KeyError as error:
                raise ValueError(f"cannot parse {SECRET}") from error
        except ValueError:
            OURS.exception("it failed")
    (line,) = lines(capsys)
    assert f"ValueError at {__file__}:" in line
    assert f"from a KeyError at {__file__}:" in line
    assert SECRET not in line


def test_for_programs_a_line_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object a line, of the same parts; `error` only if there is one."""
    with log_lines(format=LogFormat.JSON):
        OURS.error('a "quote" and a\nnew line')
    (line,) = lines(capsys)
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {"level": "ERROR", "logger": "countersign.tests", "message": 'a "quote" and a\nnew line'}


def test_only_our_own_records_get_lighter(capsys: pytest.CaptureFixture[str]) -> None:
    """Below a warning, libraries print URLs and headers as they are sent, so nobody can switch that on."""
    with log_lines(LogLevel.DEBUG):
        for name in ("countersign.app", "telemetry.writer"):
            logging.getLogger(name).debug("told")
        for name in ("httpx", "h11", "mitmproxy.proxy", "asyncio"):
            logging.getLogger(name).info("Authorization: %s", SECRET)
    assert [line.split()[1:] for line in lines(capsys)] == [
        ["DEBUG", "countersign.app:", "told"],
        ["DEBUG", "telemetry.writer:", "told"],
    ]
    with log_lines(LogLevel.ERROR):
        OURS.warning("not told")
    assert lines(capsys) == []


def test_what_others_quote_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """asyncio prints the objects that it complains of, with the texts of their errors."""

    async def main() -> None:
        async def fails() -> None:
            raise ValueError(SECRET)

        def called_back(_: object) -> None:
            raise ValueError(SECRET)

        asyncio.get_running_loop().call_soon(called_back, SECRET)
        task = asyncio.ensure_future(fails())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    with log_lines():
        asyncio.run(main())
    told = lines(capsys)
    assert [line.partition(" [")[0].split(" asyncio: ")[1] for line in told] == [
        "Exception in callback test_what_others_quote_is_left_out.",
        "Task exception was never retrieved",
    ]
    assert all("ValueError at " in line for line in told)
    assert SECRET not in "".join(told)


def test_a_record_that_cannot_be_put_together_is_told_as_it_is() -> None:
    """A bug in a call of the log prints neither a trace nor its arguments."""
    line = _Text().format(OURS.makeRecord(OURS.name, logging.WARNING, "", 1, "%d and %d", (SECRET,), None))
    assert line.endswith("countersign.tests: %d and %d")


def test_the_innermost_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that says how it logs does not log twice, and what was before is so again."""
    before = OURS.getEffectiveLevel()
    with log_lines():
        with log_lines(LogLevel.INFO, LogFormat.JSON):
            OURS.info("inside")
        OURS.info("not told")
        OURS.warning("outside")
    inside, outside = lines(capsys)
    assert json.loads(inside)["message"] == "inside"
    assert LINE.fullmatch(outside)
    assert OURS.getEffectiveLevel() == before


def test_serve_logs_so(tmp_path: Path) -> None:
    """An edit of the inventory is one line of it, after the start-up lines, which stay as they are."""
    config = write_config(tmp_path / "house")
    process, started = start_serve(config, "--log-format", "json")
    try:
        assert started[-1] == "ready\n"
        assert not any(line.startswith("{") for line in started)
        add_stranger(config)
        assert process.stderr is not None
        told = json.loads(process.stderr.readline())
        assert (told["level"], told["logger"]) == ("INFO", "countersign.reload")
    finally:
        assert stop(process) == 0


def test_a_level_that_is_none_is_a_mistake_in_words(give: Give, config: Path) -> None:
    """What may be said is listed."""
    said = give("serve", "--config", config, "--log-level", "loud")
    assert said.status == 2
    assert "'info'" in said.err
