"""What a person got wrong in a policy: where, what, and what to do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class PolicyMistake:
    """One thing wrong in a policy file: printed as `file:line: field: what is wrong, what to do`."""

    file: str
    line: int
    field: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.text}" if self.field else f"{place}: {self.text}"


class PolicyMistakes(Exception):
    """The policies cannot be used. Carries every mistake, in the order of files and lines; never none."""

    def __init__(self, mistakes: Sequence[PolicyMistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: (mistake.file, mistake.line)))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


def nearest(wrong: str, known: Collection[str], otherwise: str) -> str:
    """`did you mean ...` when something known is close; else the advice given."""
    close = get_close_matches(wrong, known, n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else otherwise
