"""Run a program as our child: signals go to it, its exit status comes back."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.cli.account import Account
from proxy.errors import CountersignError

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
TYPED = {signal.SIGINT, signal.SIGQUIT}


class Relay:
    """Where signals to us go: to the child; before there is one, they keep it from being started."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._early: signal.Signals | None = None
        self._at_terminal = True

    async def run(self, command: Sequence[str], environment: Mapping[str, str], account: Account | None = None) -> int:
        """The child's exit status, as a shell would give it: 128 + n when signal n ended it. It runs as `account`."""
        if (early := self._early) is not None:
            return 128 + early
        self._at_terminal = account is None
        try:
            self._child = await asyncio.create_subprocess_exec(*command, env=dict(environment), **_identity(account))
        except FileNotFoundError as error:
            raise CountersignError(f"cannot run `{command[0]}`: there is no such program") from error
        except OSError as error:
            raise CountersignError(f"cannot run `{command[0]}`: {os.strerror(error.errno or 0)}") from error
        self._pass_on_early()
        status = await self._child.wait()
        return 128 - status if status < 0 else status

    def _pass_on_early(self) -> None:
        """A signal that came while the child was being started is for the child."""
        if self._early is not None:
            self.take(self._early)

    def take(self, number: signal.Signals) -> None:
        """This signal came to us."""
        if self._child is None:
            self._early = number
        elif not (number in TYPED and self._at_terminal and _in_foreground()):
            # A key pressed at the terminal has reached the child already: twice would be a second Ctrl-C.
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)


def _identity(account: Account | None) -> dict[str, Any]:
    """Groups first, then the group, then the user: real, effective and saved, so that there is no way back.

    In a session of its own: at our terminal it could type for us (TIOCSTI, ioctl_tty(2)).
    """
    if account is None:
        return {}
    whose = {"user": account.uid, "group": account.gid, "extra_groups": list(account.groups)}
    return {**whose, "start_new_session": True}


@contextlib.contextmanager
def relayed() -> Iterator[Relay]:
    """From here on no signal of the usual ones ends us; what we were told to ignore stays ignored."""
    loop, relay = asyncio.get_running_loop(), Relay()
    taken = [number for number in FORWARDED if signal.getsignal(number) is not signal.SIG_IGN]
    for number in taken:
        loop.add_signal_handler(number, relay.take, number)
    try:
        yield relay
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


def _in_foreground() -> bool:
    """Whether the terminal's keys reach our process group, and so the child's."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
