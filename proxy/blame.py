"""Says what failed and where, without the message: that may hold what an agent sent."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

_MOST_PLACES = 12
_MOST_CAUSES = 4


def blame(error: BaseException) -> str:
    """`RuntimeError at /path/file.py:12 < /path/caller.py:30, from a KeyError at …`: the innermost places first."""
    return ", from a ".join(f"{type(one).__name__} at {_where(one)}" for one in islice(_causes(error), _MOST_CAUSES))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _where(error: BaseException) -> str:
    places: deque[str] = deque(maxlen=_MOST_PLACES)
    step = error.__traceback__
    while step is not None:
        places.appendleft(f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}")
        step = step.tb_next
    return " < ".join(places) or "an unknown place"
