"""What an API server has vouched for, and is to be asked about again for as long as it is in use."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from proxy.errors import refuse

RETRY = 5.0
_MOST = 1 << 14


@dataclass(frozen=True, slots=True)
class Question:
    """Whether this token, of this SHA-256 (hex), is good, and of this subject. The token itself is never shown."""

    token: str = field(repr=False)
    subject: str
    digest: str


@dataclass(slots=True)
class _Standing:
    """`used`: somebody has relied on it since it was last asked about. `ended`: the answer was no."""

    question: Question
    number: int
    good_at: float
    ask_at: float
    used: bool = True
    ended: bool = False


class Vouched:
    """Each token that was said to be good, under a number that is never given again: what was ended stays so.

    It counts while the last yes is at most `unanswered` seconds old. In use, it is due every `every` seconds, and
    sooner after no answer. Unused, it is not asked about, and forgotten: then it must be shown anew.
    """

    def __init__(self, every: float, unanswered: float) -> None:
        self._every = every
        self._unanswered = unanswered
        self._numbers = count(1)
        self._by_number: OrderedDict[int, _Standing] = OrderedDict()
        self._by_digest: dict[str, _Standing] = {}

    def good(self, question: Question, now: float) -> int:
        """The answer was yes: the number of this token, the same for as long as it is never no."""
        standing = self._by_digest.get(question.digest)
        if standing is None:
            standing = _Standing(question, next(self._numbers), now, now)
            self._by_digest[question.digest] = self._by_number[standing.number] = standing
        standing.good_at, standing.ask_at = now, now + self._every
        self._by_number.move_to_end(standing.number)
        if len(self._by_number) > _MOST:
            self._forget(next(iter(self._by_number.values())))
        return standing.number

    def bad(self, digest: str) -> bool:
        """The answer was no. Whether it was yes before."""
        standing = self._by_digest.pop(digest, None)
        if standing is None:
            return False
        standing.ended = True
        return True

    def number_of(self, digest: str, now: float) -> int:
        """The number of a token that counts at `now` by an earlier yes; 0 if it does not. It is in use then."""
        standing = self._by_digest.get(digest)
        if standing is None or abs(now - standing.good_at) > self._unanswered:
            return 0
        standing.used = True
        return standing.number

    def require(self, number: int, now: float) -> None:
        """Refuses unless the last answer was yes, and is not too old."""
        standing = self._by_number.get(number)
        if standing is None:
            raise refuse("identity_expired", 403, "Connect again to show this credential anew: it was not in use.")
        if standing.ended:
            raise refuse(
                "identity_revoked", 403, "The cluster that this credential is of says that it is good no more."
            )
        standing.used = True
        if abs(now - standing.good_at) > self._unanswered:
            raise refuse(
                "identity_unavailable",
                503,
                "The cluster that this credential is of has not been heard of for too long to go on.",
                "retry",
                internal=f"the last yes was {now - standing.good_at:.0f} s ago",
            )

    def due(self, now: float, most: int) -> list[Question]:
        """So many, at most, of those in use that are to be asked about now. What is not in use is forgotten in time."""
        for standing in [one for one in self._by_number.values() if self._is_over(one, now)]:
            self._forget(standing)
        chosen = sorted(self._waiting(now), key=lambda one: one.ask_at)[: max(0, most)]
        for standing in chosen:
            standing.used, standing.ask_at = False, now + min(RETRY, self._every)
        return [one.question for one in chosen]

    def _waiting(self, now: float) -> Iterator[_Standing]:
        for standing in self._by_number.values():
            early = standing.good_at <= now < standing.ask_at  # not so if the clock was set back
            if standing.used and not standing.ended and not early:
                yield standing

    def _is_over(self, standing: _Standing, now: float) -> bool:
        return (standing.ended or not standing.used) and abs(now - standing.good_at) > self._unanswered

    def _forget(self, standing: _Standing) -> None:
        self._by_number.pop(standing.number, None)
        if self._by_digest.get(standing.question.digest) is standing:
            del self._by_digest[standing.question.digest]
