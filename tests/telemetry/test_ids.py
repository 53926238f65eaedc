"""Ids."""

import time

from telemetry.ids import new_id


def test_ids_sort_by_time_and_differ():
    """An id is its prefix and a UUIDv7: later ones sort later, and no two are the same."""
    first = new_id("call")
    ids = {new_id("call") for _ in range(1000)}
    assert len(ids) == 1000
    prefix, _, digits = first.partition("_")
    assert (prefix, len(digits), digits[12]) == ("call", 32, "7")
    assert digits[16] in "89ab"
    assert abs(int(digits[:12], 16) - time.time() * 1000) < 60_000
    assert max(ids)[:17] >= first[:17]
