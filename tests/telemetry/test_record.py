"""The shape of records, and the bytes that are hashed."""

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from telemetry.record import (
    RECORD_TYPES,
    canonical,
    clip,
    restricted,
    timestamp,
    unix_nanoseconds,
    validate,
)
from tests.fakes.audit_records import approval_decided, as_stored, completed, decided, resumed

restricted_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
    max_leaves=20,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), restricted_json))
def test_restricted_records_are_rfc_8785(record):
    """What is stored is what an RFC 8785 library writes, for every record of the restricted form."""
    assert restricted(record)
    assert canonical(record) == rfc8785.dumps(record)


@pytest.mark.parametrize("value", [1.5, {"é": 1}, [2**53], {"a": [{"b": 0.0}]}, {1: 2}, {"a": object()}])
def test_what_is_not_restricted(value):
    """Floats, keys that are not ASCII, and integers beyond 2**53 are outside the restricted form."""
    assert not restricted(value)


@pytest.mark.parametrize(
    "record", as_stored([decided(), decided(outcome="hold"), approval_decided(), resumed(), completed()])
)
def test_the_records_of_a_call_have_the_shape(record):
    """The records of an ordinary held and released call are valid."""
    assert validate(record) == record


@pytest.mark.parametrize(
    "change",
    [
        {"type": "call.invented"},
        {"extra": 1},
        {"idx": "1"},
        {"decision": {"outcome": "maybe"}},
        {"action": {"invented": "x"}},
        {"elapsed_us": 1.5},
    ],
)
def test_other_shapes_are_refused(change):
    """An unknown type, section or key, and a value of another type, are mistakes."""
    with pytest.raises(ValidationError):
        validate(as_stored([decided()])[0] | change)


def test_types_are_listed():
    """The types named in the specification of the log are all known."""
    assert {"call.decided", "call.completed", "audit.gap", "identity.refused"} <= RECORD_TYPES


@given(st.integers(0, 4_102_444_800_000_000))
def test_timestamps_read_back(microseconds):
    """A timestamp reads back to the microsecond."""
    text = timestamp(microseconds / 1_000_000)
    assert len(text) == 27
    assert abs(unix_nanoseconds(text) - microseconds * 1000) <= 1000


def test_timestamp_carries_over():
    """A time that rounds up to the next second is written as that second."""
    assert timestamp(1_789_999_999.9999999) == "2026-09-21T14:13:20.000000Z"


@pytest.mark.parametrize("text", ["", "2026-09-21T14:13:20Z", "2026-09-21T14:13:20.000000+", "x" * 27])
def test_other_timestamps(text):
    """Text that is not exactly a timestamp of ours is refused."""
    with pytest.raises(ValueError, match=r"timestamp|isoformat"):
        unix_nanoseconds(text)


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=50), st.integers(1, 30))
def test_clipped_text_fits_and_can_be_written(text, limit):
    """Clipped text is at most as long as asked, and always valid in a record, lone surrogates included."""
    clipped = clip(text, limit)
    assert len(clipped) <= max(limit, 1)
    canonical({"text": clipped})
