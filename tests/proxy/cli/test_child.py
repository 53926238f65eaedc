"""How a child program is run."""

import asyncio
import os
import pty
import shutil
import signal
import sys

import pytest

from proxy.cli.account import Account
from proxy.cli.child import relayed
from proxy.errors import CountersignError


def run(*command: str, before: signal.Signals | None = None) -> int:
    async def story() -> int:
        with relayed() as relay:
            if before is not None:
                os.kill(os.getpid(), before)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            return await relay.run(command, os.environ)

    return asyncio.run(story())


def test_the_exit_status_comes_back() -> None:
    """The child's own exit status is the answer."""
    assert run(sys.executable, "-c", "raise SystemExit(7)") == 7


def test_a_child_ended_by_a_signal_is_reported_as_a_shell_would() -> None:
    """Signal 9 gives 137."""
    assert run(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)") == 137


def test_a_missing_program_is_said_in_words() -> None:
    """A program that does not exist, or may not be run, is the person's mistake, named."""
    with pytest.raises(CountersignError, match="cannot run `no-such-program-here`: there is no such program"):
        run("no-such-program-here")
    with pytest.raises(CountersignError, match="cannot run `/`: Permission denied"):
        run("/")


def test_signals_go_to_the_child() -> None:
    """A signal sent to us reaches the child, which decides how to end."""
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "signal.pause()\n"
    )
    before = signal.getsignal(signal.SIGTERM)
    assert run(sys.executable, "-c", program) == 5
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_that_comes_first_keeps_the_child_from_being_started() -> None:
    """Told to end before there is a child: it is not started, and we end as it would have."""
    assert run(sys.executable, "-c", "raise SystemExit(7)", before=signal.SIGTERM) == 143


def test_what_we_were_told_to_ignore_stays_ignored() -> None:
    """As under `nohup`: the child inherits that, and we do not begin to listen."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run(sys.executable, "-c", "import os, signal; os.kill(os.getppid(), signal.SIGHUP)") == 0
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


KEY = r"""
import asyncio, os, sys
from proxy.cli.child import relayed

async def main():
    with relayed() as relay:
        return await relay.run([sys.executable, "-c", CHILD], os.environ)

CHILD = (
    "import signal, sys\n"
    "pressed = []\n"
    "signal.signal(signal.SIGINT, lambda *_: pressed.append(1))\n"
    "print('listening', flush=True)\n"
    "sys.stdin.readline()\n"
    "print('pressed', len(pressed), flush=True)\n"
)
sys.exit(asyncio.run(main()))
"""


def test_a_key_at_the_terminal_reaches_the_child_once() -> None:
    """Ctrl-C goes to the whole group already: passed on, a program that asks twice would end at once."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", KEY])
    heard = b""
    while b"listening" not in heard:
        heard += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while b"^C" not in heard:
        heard += os.read(terminal, 1024)
    os.write(terminal, b"\n")
    while b"pressed" not in heard or not heard.endswith(b"\n"):
        heard += os.read(terminal, 1024)
    os.close(terminal)
    os.waitpid(pid, 0)
    assert b"pressed 1" in heard


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(shutil.which("python3", path="/usr/bin") is None, reason="no interpreter that every user can run")
def test_a_child_of_another_user_has_no_way_back() -> None:
    """Real, effective and saved ids are that user's, and so are its groups; it cannot become root again."""
    program = (
        "import os, sys\n"
        "sys.exit(7) if os.getresuid() != (4711,) * 3 or os.getresgid() != (4712,) * 3 else None\n"
        "sys.exit(8) if os.getgroups() != [4712, 4713] else None\n"
        "sys.exit(6) if os.getsid(0) != os.getpid() else None\n"
        "try:\n    os.setuid(0)\nexcept PermissionError:\n    sys.exit(0)\nsys.exit(9)\n"
    )
    bot = Account("bot", 4711, 4712, (4712, 4713), "/", "/bin/sh")

    async def run() -> int:
        with relayed() as relay:
            return await relay.run(["/usr/bin/python3", "-c", program], dict(os.environ), bot)

    assert asyncio.run(run()) == 0
