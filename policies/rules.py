"""The policies of a bundle, each read into a rule: what it says, where it stands, what it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from policies.bundle import OBSERVED_FOLDER, Bundle
from policies.cedar import CedarError, Effect, parse
from policies.mistakes import PolicyMistake
from policies.model import Catalogue, Json, Mode, Requirement
from policies.obligations import read_obligations
from policies.references import References, references
from policies.statements import Statement, split


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One policy: the `place`th of the bundle. `id` is its `@id`, or its file and line when it has none.

    `policy` is Cedar's JSON form without annotations.
    """

    place: int
    id: str
    file: str
    statement: Statement
    effect: Effect
    observed: bool
    reason: str
    hold: Requirement | None
    policy: Mapping[str, Json]
    refers: References

    @property
    def name(self) -> str:
        """The name that Cedar knows it by."""
        return f"r{self.place}"

    @property
    def line(self) -> int:
        return self.statement.line


def read_rules(bundle: Bundle, catalogue: Catalogue) -> tuple[list[Rule], list[PolicyMistake]]:
    """Every rule that can be read, and every mistake in those that cannot."""
    reading = _Reading(bundle, catalogue)
    for name, text in sorted(bundle.sources.items()):
        for statement in split(text):
            reading.add(name, statement)
    return reading.rules, reading.mistakes


@dataclass(slots=True)
class _Reading:
    bundle: Bundle
    catalogue: Catalogue
    rules: list[Rule] = field(default_factory=list)
    mistakes: list[PolicyMistake] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, statement: Statement) -> None:
        file = self.bundle.path(name)
        try:
            parsed = parse(statement.text)
        except CedarError as error:
            self.mistakes.append(PolicyMistake(file, statement.line, "", f"this policy cannot be read: {error}"))
            return
        annotations = cast("Mapping[str, str | None]", parsed.get("annotations", {}))
        policy = {part: value for part, value in parsed.items() if part != "annotations"}
        effect = cast("Effect", policy["effect"])
        asked, wrong = read_obligations(annotations, effect, self.catalogue)
        self.mistakes += [PolicyMistake(file, statement.line_of(where), where, text) for where, text in wrong]
        rule_id = self.unique(asked.id, file, statement) if asked.id else f"{name}:{statement.line}"
        default = Mode.OBSERVE if name.startswith(f"{OBSERVED_FOLDER}/") else Mode.ENFORCE
        rule = Rule(
            place=len(self.rules),
            id=rule_id,
            file=file,
            statement=statement,
            effect=effect,
            observed=(asked.mode or default) is Mode.OBSERVE,
            reason=asked.reason,
            hold=replace(asked.hold, rules=(rule_id,)) if asked.hold else None,
            policy=policy,
            refers=references(policy),
        )
        self.rules.append(rule)

    def unique(self, rule_id: str, file: str, statement: Statement) -> str:
        """The id; a mistake as well if another policy has it."""
        if rule_id in self.places:
            text = f"`{rule_id}` is already the id of the policy at {self.places[rule_id]}; ids are unique"
            self.mistakes.append(PolicyMistake(file, statement.line_of("@id"), "@id", text))
        self.places.setdefault(rule_id, f"{file}:{statement.line}")
        return rule_id
