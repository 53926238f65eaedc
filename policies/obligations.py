"""What a policy's annotations ask for: sign-off by people, within a time, for a reason that people can read."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from policies.mistakes import nearest
from policies.model import Catalogue, Clause, Mode, Requirement

DECIDE_WITHIN = 15 * 60
USE_WITHIN = 10 * 60
MAX_DECIDE_WITHIN = 7 * 24 * 3600
MAX_USE_WITHIN = 4 * 3600
MAX_QUORUM = 20

_DURATION = re.compile(r"([1-9][0-9]{0,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PLAIN_ROLES = ("owner", "technical_owner", "deputy", "service_owner", "dataset_owner")
_ONLY_WITH_HOLD = ("quorum", "role", "expires", "use_within", "rollback")
KNOWN = ("id", "mode", "reason", "hold", *_ONLY_WITH_HOLD)


@dataclass(frozen=True, slots=True)
class Obligations:
    """The annotations of one policy, understood. `hold` is what sign-off needs, if the policy holds.

    `@hold("a,b")` asks for one person who is a or b, `@quorum("2")` for two of them; `@role("c")` asks for
    somebody who is c as well.
    """

    id: str = ""
    mode: Mode | None = None
    reason: str = ""
    hold: Requirement | None = None


@dataclass(slots=True)
class _Reader:
    annotations: Mapping[str, str | None]
    catalogue: Catalogue
    wrong: list[tuple[str, str]] = field(default_factory=list)

    def mistake(self, name: str, text: str) -> None:
        self.wrong.append((f"@{name}", text))

    def text(self, name: str) -> str:
        """The annotation's value; an annotation without one is a mistake."""
        if name not in self.annotations:
            return ""
        value = (self.annotations[name] or "").strip()
        if not value:
            self.mistake(name, f'needs a value: @{name}("...")')
        return value

    def seconds(self, name: str, otherwise: int, most: int) -> int:
        value = self.text(name)
        if not value:
            return otherwise
        match = _DURATION.fullmatch(value)
        seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
        if not 0 < seconds <= most:
            self.mistake(
                name, f"`{value}` is not a time such as `90s`, `15m`, `4h`, `1d`, at most {most // 3600} hours"
            )
        return seconds

    def roles(self, name: str) -> tuple[str, ...]:
        """The roles of a comma list, each of which somebody can have."""
        value = self.text(name)
        roles = tuple(role.strip() for role in value.split(",")) if value else ()
        for role in roles:
            self._check_role(name, role)
        return tuple(dict.fromkeys(roles))

    def _check_role(self, name: str, role: str) -> None:
        kind, colon, who = role.partition(":")
        known: Collection[str] = _PLAIN_ROLES
        if colon and kind in {"team", "person"}:
            people = (person.id for person in self.catalogue.people)
            known = [f"{kind}:{each}" for each in (self.catalogue.teams if kind == "team" else people)]
        if role not in known:
            choices = f"use {', '.join(_PLAIN_ROLES)}, team:<id> or person:<id>"
            unknown = f"the inventory has no {kind} `{who}`" if colon else f"`{role}` is not a role"
            self.mistake(name, f"{unknown}; {nearest(role, known, choices)}")

    def quorum(self) -> int:
        value = self.text("quorum")
        if not value:
            return 1
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 4 else 0
        if not 1 <= number <= MAX_QUORUM:
            self.mistake("quorum", f"`{value}` is not a number of people from 1 to {MAX_QUORUM}")
        return number


def read_obligations(
    annotations: Mapping[str, str | None], effect: str, catalogue: Catalogue
) -> tuple[Obligations, list[tuple[str, str]]]:
    """What the annotations ask for, and each mistake in them as (annotation, text)."""
    reader = _Reader(annotations, catalogue)
    for name in annotations:
        if name not in KNOWN:
            reader.mistake(name, f"is not an annotation; {nearest(name, KNOWN, f'use {", ".join(KNOWN)}')}")
    rule, reason, mode = reader.text("id"), reader.text("reason"), _mode(reader)
    hold = _hold(reader, reason) if "hold" in annotations else None
    if hold is None:
        for name in _ONLY_WITH_HOLD:
            if name in annotations:
                reader.mistake(name, "means nothing without @hold; add @hold, or remove it")
    elif effect != "forbid":
        reader.mistake("hold", "only a `forbid` can hold: write what must not happen unsigned as a `forbid`")
    return Obligations(rule, mode, reason, hold), reader.wrong


def _mode(reader: _Reader) -> Mode | None:
    value = reader.text("mode")
    if value and value not in set(Mode):
        reader.mistake("mode", f"`{value}` is not a mode; use `enforce` or `observe`")
        return None
    return Mode(value) if value else None


def _hold(reader: _Reader, reason: str) -> Requirement:
    clauses = [Clause(reader.roles("hold"), reader.quorum())]
    if "role" in reader.annotations:
        clauses.append(Clause(reader.roles("role")))
    _check_eligible(reader, clauses)
    return Requirement(
        clauses=tuple(clauses),
        decide_within=reader.seconds("expires", DECIDE_WITHIN, MAX_DECIDE_WITHIN),
        use_within=reader.seconds("use_within", USE_WITHIN, MAX_USE_WITHIN),
        reasons=(reason,) if reason else (),
        rollback=reader.text("rollback"),
    )


def _check_eligible(reader: _Reader, clauses: Sequence[Clause]) -> None:
    """A sign-off that nobody could ever give is a mistake, when the inventory alone shows it.

    Who left after it was written still counts: else no other edit could come into force until somebody mends this.
    """
    if reader.wrong:
        return
    for clause in clauses:
        if not clause.roles or any(not role.startswith(("team:", "person:")) for role in clause.roles):
            continue
        able = {
            person.id
            for person in reader.catalogue.people
            if (person.active or person.left)
            and (f"person:{person.id}" in clause.roles or any(f"team:{team}" in clause.roles for team in person.teams))
        }
        if len(able) < clause.at_least:
            who = ", ".join(clause.roles)
            reader.mistake("hold", f"needs {clause.at_least} people of {who}, but the inventory has {len(able)} active")


def merge(holds: Sequence[Requirement]) -> Requirement:
    """What satisfies all of them: every clause (the larger count where the roles are the same), the shorter times."""
    counts: dict[frozenset[str], Clause] = {}
    for clause in (clause for hold in holds for clause in hold.clauses):
        key = frozenset(clause.roles)
        if key not in counts or counts[key].at_least < clause.at_least:
            counts[key] = clause
    return Requirement(
        clauses=tuple(counts.values()),
        decide_within=min(hold.decide_within for hold in holds),
        use_within=min(hold.use_within for hold in holds),
        reasons=tuple(dict.fromkeys(reason for hold in holds for reason in hold.reasons)),
        rules=tuple(dict.fromkeys(rule for hold in holds for rule in hold.rules)),
        rollback="; ".join(dict.fromkeys(hold.rollback for hold in holds if hold.rollback)),
    )
