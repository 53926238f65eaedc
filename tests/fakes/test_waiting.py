"""The clock by which tests hold us to our own time."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.fakes.waiting import SwiftLoop, flying, own_time

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


def test_what_we_compute_counts() -> None:
    """A loop that computes is at work: the bound sees it, also where the clock's own thread gets no turn."""
    began, cpu = own_time(), time.process_time()
    while time.process_time() - cpu < 0.2:
        pass
    assert own_time() - began > 0.1


def test_what_we_are_held_up_by_counts() -> None:
    """A thread that waits inside a call is not kept from going on by the machine, but by what it waits for."""
    began, never = own_time(), threading.Event()
    while own_time() - began < 0.2:
        never.wait(0.05)


def test_a_swift_loop_passes_the_time_that_is_waited_for() -> None:
    """Ten seconds take none; what is not over in time is told as a failure."""

    async def main() -> str:
        with pytest.raises(AssertionError, match="not over after 5 s"):
            await flying(asyncio.sleep(10), 5)
        return await flying(asyncio.sleep(10, "over"))

    assert asyncio.run(main(), loop_factory=SwiftLoop) == "over"
