"""Programs on a leash."""

import os
import signal
import subprocess
import sys

STARTER = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-m", "proxy.demo.leash", sys.executable, "-c",
     "import os, signal; print(os.getpid(), flush=True); signal.pause()"],
    start_new_session=True,
)
child.wait()
"""


def test_it_ends_when_its_starter_is_killed() -> None:
    """`kill -9` of the program that started it: nobody is left to clean up, and yet nothing stays."""
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        leashed = os.pidfd_open(int(starter.stdout.readline()))
        starter.kill()
        assert starter.stdout.read() == ""  # the end of the pipe comes when the last who held it has gone
        os.close(leashed)


def test_it_becomes_the_command() -> None:
    """Same process, same exit status, signals included."""
    command = [sys.executable, "-m", "proxy.demo.leash", sys.executable, "-c", "import os; os.kill(os.getpid(), 15)"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGTERM
