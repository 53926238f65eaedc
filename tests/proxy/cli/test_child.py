"""How a child program is run."""

import asyncio
import os
import signal
import sys

import pytest

from proxy.cli.child import run_child
from proxy.errors import CountersignError


def run(*command: str) -> int:
    return asyncio.run(run_child(command, os.environ))


def test_the_exit_status_comes_back() -> None:
    """The child's own exit status is the answer."""
    assert run(sys.executable, "-c", "raise SystemExit(7)") == 7


def test_a_child_ended_by_a_signal_is_reported_as_a_shell_would() -> None:
    """Signal 9 gives 137."""
    assert run(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)") == 137


def test_a_missing_program_is_said_in_words() -> None:
    """A program that does not exist is the person's mistake, named."""
    with pytest.raises(CountersignError, match="cannot run `no-such-program-here`: there is no such program"):
        run("no-such-program-here")


def test_signals_go_to_the_child(capfd: pytest.CaptureFixture[str]) -> None:
    """A signal sent to us reaches the child, which decides how to end."""
    program = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "signal.pause()\n"
    )
    before = signal.getsignal(signal.SIGTERM)
    assert run(sys.executable, "-c", program) == 5
    assert signal.getsignal(signal.SIGTERM) == before
