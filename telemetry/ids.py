"""Ids that sort by time and cannot be guessed."""

import os
import time


def new_id(prefix: str) -> str:
    """`<prefix>_` and 32 hex digits: a UUIDv7 (RFC 9562 section 5.7) without dashes, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    tail = int.from_bytes(os.urandom(10))
    value = milliseconds << 80 | 0x7 << 76 | (tail >> 68 & 0xFFF) << 64 | 0b10 << 62 | tail & ((1 << 62) - 1)
    return f"{prefix}_{value:032x}"
