"""The clock by which tests hold us to our own time."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.fakes.waiting import own_time

STOPPED = 0.5
CHILD = """
import sys, time
from tests.fakes.waiting import own_time

own, real = own_time(), time.perf_counter()
print("begun", flush=True)
sys.stdin.readline()
print(time.perf_counter() - real - (own_time() - own), flush=True)
"""


def test_the_time_in_which_we_were_stopped_does_not_count() -> None:
    """A process that is stopped, as with its whole machine, is not to blame for what it does not do meanwhile."""
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert (child.stdin, child.stdout) != (None, None)
        assert child.stdout.readline() == "begun\n"
        child.send_signal(signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        began = time.monotonic()
        while time.monotonic() - began < STOPPED:
            os.sched_yield()
        child.send_signal(signal.SIGCONT)
        left_out, _ = child.communicate("go on\n")
    assert float(left_out) > STOPPED - 0.1


@pytest.mark.parametrize("work", ["computing", "blocked"])
def test_what_we_do_and_what_we_wait_for_counts(work: str) -> None:
    """A loop that computes is at work, and so is one that is held up: both are seen by the bound."""
    began, cpu = own_time(), time.process_time()
    if work == "computing":
        while time.process_time() - cpu < 0.2:
            pass
        assert own_time() - began > 0.1
    else:
        read, write = os.pipe()
        with os.fdopen(read), os.fdopen(write):
            import select

            select.select([read], [], [], 0.2)
        assert own_time() > began
