"""Ids."""

import subprocess
import sys
import threading
import time

from telemetry.ids import new_id, random_bytes


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


def test_no_random_byte_is_handed_out_twice():
    """Whatever the sizes and the threads: as many bytes as asked for, and never the same ones."""
    seen, lock = [], threading.Lock()

    def take():
        mine = [random_bytes(32) for _ in range(1000)]
        with lock:
            seen.extend(mine)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 4000
    assert [len(random_bytes(count)) for count in (0, 1, 10, 5000, 7)] == [0, 1, 10, 5000, 7]


FORK = """
import os
from telemetry.ids import random_bytes
random_bytes(1)
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, random_bytes(32))
    os._exit(0)
os.wait()
print(os.read(read, 32) != random_bytes(32))
"""


def test_a_forked_child_has_randomness_of_its_own():
    """What the parent has in advance is not handed out again by its child."""
    told = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "True"
