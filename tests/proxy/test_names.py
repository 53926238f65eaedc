"""Names that people give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.names import identifier


@pytest.mark.parametrize("good", ["a", "7", "support-bot", "team.x_1", "a" * 64, "0-0"])
def test_an_identifier_is_itself(good):
    """What is an identifier comes back as it is."""
    assert identifier(good) == good


@pytest.mark.parametrize(
    "bad", ["", "A", "-a", "a-", ".a", "a.", "a b", "a/b", "a:b", "ä", "a\n", "a" * 65, "a\x00", "٣", "ﬁ"]
)
def test_what_is_none_is_refused_with_the_rule(bad):
    """What is none is refused, with what it was and what would do."""
    with pytest.raises(ValueError, match="is not an identifier: use 1 to 64"):
        identifier(bad)


@given(st.text())
def test_any_text_is_itself_or_refused(text):
    """Whatever text it is: the very same text, of few characters, or `ValueError`."""
    try:
        assert identifier(text) == text
    except ValueError:
        return
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert 1 <= len(text) <= 64
