"""A program on a leash: it is told to end when the process that started it is gone, however that went."""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2): kept across execve(2)


def main(command: list[str]) -> None:
    """Become this command. Where the kernel knows no leash, it runs without one."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execvp(command[0], command)  # noqa: S606 - to become the command, with no shell between, is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
