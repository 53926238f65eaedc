"""What an API server has vouched for, and is asked about again while it is in use, or something hangs on it."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from proxy.errors import refuse

RETRY = 5.0
_MOST = 1 << 14


@dataclass(frozen=True, slots=True)
class Question:
    """Whether this token, of this SHA-256 (hex), is good, and of this subject. The token itself is never shown.

    `pod` is the running copy that it says to be of, with a part that nobody else knows; empty if it names none.
    """

    token: str = field(repr=False)
    subject: str
    digest: str
    pod: str = ""

    @property
    def name(self) -> str:
        """Of the token, where it stands in the place of a key (proxy.identity.lineage)."""
        return self.digest[:32]


@dataclass(slots=True)
class _Standing:
    """`used`: somebody has relied on it since it was last asked about, or will until `until`. `ended`: it was no."""

    question: Question
    good_at: float
    ask_at: float
    used: bool = True
    until: float = 0.0
    ended: bool = False


class Vouched:
    """Each token that was said to be good, by its name.

    It counts while the last yes is at most `unanswered` seconds old. In use, it is due every `every` seconds, and
    sooner after no answer. Unused, it is not asked about, and forgotten: then it must be shown anew.
    """

    def __init__(self, every: float, unanswered: float) -> None:
        self._every = every
        self._unanswered = unanswered
        self._standings: OrderedDict[str, _Standing] = OrderedDict()
        self._pods: OrderedDict[tuple[str, str], None] = OrderedDict()

    def good(self, question: Question, now: float) -> None:
        """The answer was yes."""
        standing = self._standings.setdefault(question.name, _Standing(question, now, now))
        standing.good_at, standing.ask_at, standing.ended = now, now + self._every, False
        self._standings.move_to_end(question.name)
        if len(self._standings) > _MOST:
            self._standings.popitem(last=False)
        if question.pod:
            self._pods[question.subject, question.pod] = None
            self._pods.move_to_end((question.subject, question.pod))
            if len(self._pods) > _MOST:
                self._pods.popitem(last=False)

    def met(self, question: Question) -> bool:
        """Whether a token of the same pod was good before. Nothing is believed by that: this one is asked about too."""
        return (question.subject, question.pod) in self._pods

    def bad(self, question: Question) -> bool:
        """The answer was no. Whether it was yes before."""
        standing = self._standings.get(question.name)
        if standing is None or standing.ended:
            return False
        standing.ended = True
        return True

    def counts(self, question: Question, now: float) -> bool:
        """Whether a token counts at `now` by an earlier yes. It is in use then."""
        standing = self._standings.get(question.name)
        if standing is None or standing.ended or abs(now - standing.good_at) > self._unanswered:
            return False
        standing.used = True
        return True

    def keep(self, name: str, until: float) -> None:
        """Something hangs on this one until then, used or not."""
        standing = self._standings.get(name)
        if standing is not None:
            standing.until = max(standing.until, until)

    def require(self, name: str, now: float) -> None:
        """Refuses unless the last answer was yes, and is not too old."""
        standing = self._standings.get(name)
        if standing is None:
            raise refuse(
                "identity_expired",
                403,
                "Show the cluster's credential that is behind this anew: it was not in use for a while.",
            )
        if standing.ended:
            raise refuse(
                "identity_revoked", 403, "The cluster whose credential is behind this says that it is good no more."
            )
        standing.used = True
        if abs(now - standing.good_at) > self._unanswered:
            raise refuse(
                "identity_unavailable",
                503,
                "The cluster whose credential is behind this has not been heard of for too long to go on.",
                "retry",
                internal=f"the last yes was {now - standing.good_at:.0f} s ago",
            )

    def due(self, now: float, most: int) -> list[Question]:
        """So many, at most, of those in use that are to be asked about now. What is not in use is forgotten in time."""
        for name in [name for name, one in self._standings.items() if self._is_over(one, now)]:
            del self._standings[name]
        chosen = sorted(self._waiting(now), key=lambda one: one.ask_at)[: max(0, most)]
        for standing in chosen:
            standing.used, standing.ask_at = False, now + min(RETRY, self._every)
        return [one.question for one in chosen]

    def _waiting(self, now: float) -> Iterator[_Standing]:
        for standing in self._standings.values():
            early = standing.good_at <= now < standing.ask_at  # not so if the clock was set back
            if (standing.used or now < standing.until) and not standing.ended and not early:
                yield standing

    def _is_over(self, standing: _Standing, now: float) -> bool:
        needed = standing.used or now < standing.until
        return (standing.ended or not needed) and abs(now - standing.good_at) > self._unanswered
