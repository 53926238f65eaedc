"""How often one client may ask."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proxy.control.oauth.rates import Rates


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    """Each client by itself; who is told to wait so long may ask then."""
    rates = Rates(per_second=0.5, at_once=3)
    assert [rates.wait("a", 10.0) for _ in range(5)] == [0, 0, 0, 2, 2]
    assert rates.wait("b", 10.0) == 0
    assert rates.wait("a", 11.9) == 1
    assert rates.wait("a", 12.1) == 0
    assert rates.wait("a", 12.1) == 2


@given(st.lists(st.floats(0, 30), max_size=60))
def test_never_more_than_that(moments: list[float]) -> None:
    """In whatever rhythm, and even if the clock goes back."""
    rates = Rates(per_second=1.0, at_once=5)
    passed = [at for at in moments if rates.wait("a", at) == 0]
    rises = sum(max(0.0, later - earlier) for earlier, later in pairwise(moments))
    assert len(passed) <= 5 + rises
