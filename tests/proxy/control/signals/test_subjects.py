"""Subject identifiers: one reading, or a refusal."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.control.signals.subjects import Complex, Email, IssSub, Opaque, read_subject
from proxy.control.signals.words import SetRefused

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ALMOST = st.fixed_dictionaries(
    {"format": st.sampled_from(["email", "iss_sub", "opaque", "complex", "uri", "aliases", ""]) | JSON},
    optional={name: JSON | st.text(max_size=40) for name in ("email", "iss", "sub", "id", "uri", "user", "session")},
)


@given(JSON | ALMOST | st.fixed_dictionaries({"format": st.just("complex"), "user": ALMOST, "session": ALMOST}))
def test_anything_is_a_subject_or_a_refusal(value):
    """No other exception, and what is read is never empty."""
    found = None
    with contextlib.suppress(SetRefused):
        found = read_subject(value)
    assert found is None or isinstance(found, Email | IssSub | Opaque | Complex)
    assert all(len(part) > 0 for part in (getattr(found, "id", "x"), getattr(found, "subject", "x")))


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ({"format": "email", "email": "Frank.Fir@Corp.Example"}, Email("frank.fir@corp.example")),
        ({"format": "iss_sub", "iss": "https://idp", "sub": "Ab"}, IssSub("https://idp", "Ab")),
        ({"format": "opaque", "id": "x-1"}, Opaque("x-1")),
        (
            {"format": "uri", "uri": "spiffe://prod.example/ns/bots/refunds"},
            IssSub("spiffe://prod.example", "spiffe://prod.example/ns/bots/refunds"),
        ),
        (
            {
                "format": "complex",
                "user": {"format": "opaque", "id": "u"},
                "device": {"format": "phone_number", "phone_number": "+1"},
            },
            Complex({"user": Opaque("u"), "device": None}),
        ),
    ],
)
def test_each_format_is_read(value, subject):
    """The formats of the interoperability profile, SPIFFE IDs, and complex subjects of them."""
    assert read_subject(value) == subject


def test_the_domain_of_an_address_is_what_follows_the_at():
    """It is judged in lower case, as it is stored."""
    found = read_subject({"format": "email", "email": "Frank@CORP.example"})
    assert isinstance(found, Email)
    assert found.domain == "corp.example"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"format": 1},
        {"email": "a@b.example"},
        {"format": "email"},
        {"format": "email", "email": "nobody"},
        {"format": "email", "email": "a@b@corp.example"},
        {"format": "email", "email": "a b@corp.example"},
        {"format": "email", "email": "a@corp.example", "sub": "x"},
        {"format": "iss_sub", "iss": "https://idp"},
        {"format": "iss_sub", "iss": "a|b", "sub": "x"},
        {"format": "iss_sub", "iss": "https://idp", "sub": "a\u0000b"},
        {"format": "iss_sub", "iss": "https://idp", "sub": "x" * 2049},
        {"format": "iss_sub", "iss": "https://idp", "sub": "x", "more": 1},
        {"format": "opaque", "id": ""},
        {"format": "opaque", "id": ["x"]},
        {"format": "uri", "uri": "https://idp/x"},
        {"format": "aliases", "identifiers": []},
        {"format": "complex"},
        {"format": "complex", "user": "frank"},
        {"format": "complex", "user": {"format": "complex", "user": {}}},
        {"format": "complex", "A B": {"format": "opaque", "id": "x"}},
        {"format": "complex"} | {f"p{'x' * n}": {"format": "opaque", "id": "x"} for n in range(17)},
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(value):
    """Wrong types, missing and additional members, nested complex subjects, unknown formats."""
    with pytest.raises(SetRefused) as refused:
        read_subject(value)
    assert refused.value.err == "invalid_request"
