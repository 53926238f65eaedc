"""Run a program as our child: signals go to it, its exit status comes back."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence

from proxy.errors import CountersignError

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


async def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """The child's exit status, as a shell would give it: 128 + n when signal n ended it."""
    try:
        child = await asyncio.create_subprocess_exec(*command, env=dict(environment))
    except FileNotFoundError as error:
        raise CountersignError(f"cannot run `{command[0]}`: there is no such program") from error
    except OSError as error:
        raise CountersignError(f"cannot run `{command[0]}`: {os.strerror(error.errno or 0)}") from error
    loop = asyncio.get_running_loop()
    for number in FORWARDED:
        loop.add_signal_handler(number, _forward, child, number)
    try:
        status = await child.wait()
    finally:
        for number in FORWARDED:
            loop.remove_signal_handler(number)
    return 128 - status if status < 0 else status


def _forward(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)
