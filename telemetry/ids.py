"""Ids that sort by time and cannot be guessed, and the random bytes behind them."""

import os
import threading
import time

_POOLED = 4096


class _Pool(threading.local):
    """Kernel randomness in advance, for each thread its own: a system call for each id would cost more than the id.

    Each byte is handed out once. A forked child starts without, or it would hand out its parent's.
    """

    def __init__(self) -> None:
        self.left = b""
        self.at = 0

    def forget(self) -> None:
        self.left, self.at = b"", 0


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.forget)


def random_bytes(count: int) -> bytes:
    """This many bytes from the kernel's generator. For ids and salts; long-lived keys ask the kernel itself."""
    at = _pool.at
    if at + count > len(_pool.left):
        _pool.left, at = os.urandom(max(_POOLED, count)), 0
    _pool.at = at + count
    return _pool.left[at : at + count]


def new_id(prefix: str) -> str:
    """`<prefix>_` and 32 hex digits: a UUIDv7 (RFC 9562 section 5.7) without dashes, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    tail = int.from_bytes(random_bytes(10))
    value = milliseconds << 80 | 0x7 << 76 | (tail >> 68 & 0xFFF) << 64 | 0b10 << 62 | tail & ((1 << 62) - 1)
    return f"{prefix}_{value:032x}"
