"""The demo's stage: what it starts, and that nothing of it is left."""

import contextlib
import os
from pathlib import Path

import pytest

from proxy.demo import stage as module
from proxy.demo.stage import Stage, open_stage
from proxy.errors import CountersignError


def running(directory: Path) -> list[str]:
    """The command lines of all processes that have to do with this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(directory) in line:
                found.append(line)
    return found


def test_everything_starts_and_nothing_is_left() -> None:
    """Two services, a server and an agent; afterwards no process and no file; also when it ends by an error."""
    ending = contextlib.ExitStack()
    made = ending.enter_context(open_stage())
    assert made.act("get", "/v1/customers/c-7")["status"] == 200
    assert len(running(made.directory)) >= 4
    interrupted = KeyboardInterrupt()
    assert not ending.__exit__(KeyboardInterrupt, interrupted, None)
    assert running(made.directory) == []
    assert not made.directory.exists()


def test_a_server_that_does_not_start_says_why() -> None:
    """Its own words are passed on, and what was started before it is ended."""
    seen: list[Stage] = []

    def spoil(stage: Stage) -> None:
        seen.append(stage)
        stage.config.write_text("version: 1\nmode: maybe\n")

    with pytest.raises(CountersignError, match="mode"), open_stage(prepare=spoil):
        pass
    assert running(seen[0].directory) == []
    assert not seen[0].directory.exists()


def test_a_refusal_of_the_control_api_is_said(stage: Stage) -> None:
    """What is asked wrongly is not taken for an answer."""
    with pytest.raises(CountersignError, match="/v1/handles/hnd_1/revoke: 404"):
        stage.ask("POST", "/v1/handles/hnd_1/revoke", {"reason": "x"})


def test_an_agent_that_ends_too_soon_is_noticed() -> None:
    """The story does not wait for an answer that cannot come."""
    stage = Stage(Path(), crm_key="", task="")
    stage.agent = module.spawn(["true"], stdin=module.subprocess.PIPE, stdout=module.subprocess.PIPE)
    with pytest.raises(CountersignError, match="the agent has ended"):
        stage.hear_agent()
    module.end(stage.agent)
