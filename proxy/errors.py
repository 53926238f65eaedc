"""Two kinds of bad news: a person's mistake, and a refused call. Everything else is a bug."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from policies.model import Json

type NextAction = Literal["none", "wait", "request", "authenticate", "retry", "fix_request"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a file: printed as `file:line: field: what is wrong, what to do`."""

    file: str
    line: int
    field: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.text}" if self.field else f"{place}: {self.text}"


class CountersignError(Exception):
    """A person's mistake, or a state of the machine that a person must mend. Text is for people."""


class ConfigurationError(CountersignError):
    """The configuration, the inventory or the policies cannot be used. Carries every mistake."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class StoreUnavailable(CountersignError):
    """The store or the audit log cannot take a write. On the path of a call this is a refusal."""


class Declined(CountersignError):
    """What a person asked of us is not done. `status` is HTTP's, `code` is stable, the text says what to do."""

    def __init__(self, status: int, code: str, text: str) -> None:
        self.status = status
        self.code = code
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call does not go on, in words for the agent. `internal` is for the record only.

    `reason` is a stable code. `detail` starts with what is true of the call ("NOT EXECUTED ..."
    is added by the renderer) and holds no policy text and no approver's address.
    """

    reason: str
    status: int
    detail: str
    next_action: NextAction = "none"
    internal: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict)


class Refused(Exception):
    """Raised anywhere on the path of a call; only the listener's boundary catches it."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(f"{refusal.reason}: {refusal.internal or refusal.detail}")


def refuse(
    reason: str,
    status: int,
    detail: str,
    next_action: NextAction = "none",
    *,
    internal: str = "",
    headers: tuple[tuple[str, str], ...] = (),
    extra: Mapping[str, Json] | None = None,
) -> Refused:
    """The exception to raise for this refusal: `raise refuse("agent_unknown", 403, "...")`."""
    return Refused(Refusal(reason, status, detail, next_action, internal, headers, extra or {}))
