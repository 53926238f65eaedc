"""Little input, much work: what used to stop a gate for everybody is refused or done at once."""

import json
import tracemalloc
from pathlib import Path

import pytest

from proxy.errors import Refused
from proxy.listener.agent_reader import FREE_CHUNKS, SMALLEST_MEAN, AgentReader, End
from proxy.listener.canonical import Place
from proxy.listener.headers import rule_for
from proxy.listener.options import ListenerOptions
from proxy.listener.target import read_path
from proxy.strict_json import fold, loads
from telemetry.redaction import redact

# Each of the second marks has to pass all of the first: half a million of them took CPython minutes to put in order.
MARKS = "a" + "\u0315" * 250_000 + "\u0300" * 250_000


def test_marks_in_a_key_cost_no_more_than_letters() -> None:
    """A key of half a million unordered marks is read at once."""
    key = MARKS[:320_000]
    assert loads(json.dumps({key: 1}, ensure_ascii=False).encode()) == {key: 1}


def test_a_long_name_folds_as_a_short_one_does() -> None:
    """Two spellings of one long name fold alike, wherever the pieces end in which they are folded."""
    for length in (1, 31, 32, 33, 63, 64, 65, 200):
        assert fold("x" + "\u00e9" * length) == fold("X" + "e\u0301" * length)
    assert fold(MARKS)


def test_marks_in_a_path_cost_no_more_than_letters() -> None:
    """A path full of marks is judged at once, and delimiters in disguise are still found."""
    assert read_path("/a" + "%CC%95" * 5000 + "%CC%80" * 5000)
    with pytest.raises(Refused) as refused:
        read_path("/a%EF%BC%8Fb")
    assert refused.value.refusal.reason == "path_ambiguous"


def _chunks_taken(size: int, count: int) -> int:
    """How many chunks of this size are taken, of so many that are sent."""
    reader = AgentReader(Place("gateway"), "peer", ListenerOptions(ca_directory=Path("unused")))
    reader.feed(b"POST /crm HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert reader.next_item() is not None
    reader.feed(b"%x\r\n%s\r\n" % (size, b"x" * size) * count + b"0\r\n\r\n")
    taken = 0
    while reader.next_item() is not End.MESSAGE:
        taken += 1
    return taken


def test_a_body_of_tiny_chunks_is_refused_before_it_is_taken_apart() -> None:
    """A million one-byte chunks from somebody unknown kept a gate busy for nine seconds; now some thousands do."""
    with pytest.raises(Refused) as refused:
        _chunks_taken(1, 100_000)
    assert refused.value.refusal.reason == "malformed_request"
    assert _chunks_taken(1, FREE_CHUNKS) == FREE_CHUNKS
    assert _chunks_taken(SMALLEST_MEAN, 3 * FREE_CHUNKS) == 3 * FREE_CHUNKS


def test_names_that_a_caller_invents_do_not_stay_in_memory() -> None:
    """Argument and header names as long as a body or a head were remembered by the thousand: gigabytes of them."""
    redact({"warm": "up"})
    tracemalloc.start()
    try:
        for number in range(40):
            redact({f"{number}{'x' * 500_000}": 1})
            rule_for(f"{number}{'x' * 60_000}")
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 2_000_000
