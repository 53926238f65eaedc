"""Who has left by a document in which they no longer are, and which documents are not believed in that."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.inventory.departures import departed, thinned


def document(*people, agents=()):
    told = [{"id": name.rstrip("-"), "name": name, "active": not name.endswith("-")} for name in people]
    return json.dumps({"people": told, "agents": [{"id": name} for name in agents]}).encode()


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        (document("a", "b"), document("a", "b"), set()),
        (document("a", "b"), document("a", "b", "c"), set()),
        (document("a", "b"), document("a"), {"b"}),
        (document("a", "b"), document("a", "b-"), {"b"}),
        (document("a", "b"), document("a-", "b-"), {"a", "b"}),
        (document("a", "b-"), document("a"), set()),
        (document("a"), document("b"), set()),
        (document("a", "b"), document("a", "c", "d"), {"b"}),
        (document("a", "b", "c"), document("a", "d", "e"), set()),
        (document("a", "b", "c"), document("a"), set()),
        (document("a", "b", "c"), document("a-"), {"a"}),
        (document("a", "b"), b"{}", set()),
        (document("a", "b"), document("a", agents=["x"]), {"b"}),
        (document("a", "b", agents=["x", "y", "z"]), document("a", agents=["x"]), set()),
        (document("a", "b"), document("a", "b")[:-5], set()),
        (b"", document("a"), set()),
    ],
)
def test_who_has_left(before, after, gone):
    """No longer there, or said to be inactive; of a document that leaves out more than half, only what it says."""
    assert departed(before, after) == gone


@pytest.mark.parametrize(
    ("before", "after", "sections"),
    [
        (document("a", "b"), document("a"), []),
        (document("a", "b", "c"), document("a"), ["people"]),
        (document("a"), document(), ["people"]),
        (document("a"), document("b"), ["people"]),
        (document("a", "b", "c"), document("a", "d", "e", "f"), ["people"]),
        (document("a", "b", agents=["x", "y", "z"]), document("a", "c", agents=["x", "v", "w"]), ["agents"]),
        (document("a", agents=["x"]), document("a"), ["agents"]),
        (document(), document(), []),
        (document("a", "b", "c"), b"nonsense", ["people"]),
    ],
)
def test_a_document_that_leaves_out_more_than_half_is_not_believed(before, after, sections):
    """It says in which section, and what to do instead."""
    found = list(thinned("cmdb", before, after))
    assert [one.field for one in found] == sections
    assert all("or bring it in steps" in one.text for one in found)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "active", "people"]), inner),
    max_leaves=6,
)


@given(_VALUES, _VALUES)
def test_whatever_it_says_a_document_is_looked_at_without_a_trace(before, after):
    """What is no document names nobody, and whoever has left was named before."""
    old, new = ({"people": value} if not isinstance(value, dict) else value for value in (before, after))
    gone = departed(json.dumps(old).encode(), json.dumps(new).encode())
    people = old.get("people")
    named = [one.get("id") for one in people if isinstance(one, dict)] if isinstance(people, list) else []
    assert all(name in named for name in gone)
