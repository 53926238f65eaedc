"""One question, judged by the rules of its slice: allow, hold or deny, with the reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from policies.cedar import Answer, Asked, Entities, PolicySet
from policies.context import Field, fields
from policies.model import Outcome, Reason, Requirement
from policies.rules import Rule


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question. `holds` is filled only when the outcome is a hold."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    holds: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """The rules that can speak to a question, compiled, and the parts of the context that they read.

    `deciding` are the permits and the plain forbids: Cedar's own decision. `holding` are the forbids that people
    may lift. `watched` are the rules that are only observed.
    """

    rules: Mapping[str, Rule]
    deciding: PolicySet
    holding: PolicySet
    watched: PolicySet
    fields: tuple[tuple[str, Field], ...]
    reads_arguments: bool
    arguments: frozenset[str] | None

    @classmethod
    def compile(cls, rules: Sequence[Rule]) -> Self:
        enforced = [rule for rule in rules if not rule.observed]
        names = _union([rule.refers.context for rule in rules])
        return cls(
            rules={rule.name: rule for rule in rules},
            deciding=PolicySet({rule.name: rule.policy for rule in enforced if rule.hold is None}),
            holding=PolicySet({rule.name: rule.policy for rule in enforced if rule.hold is not None}),
            # As forbids, because among forbids and permits Cedar names only the forbids that matched.
            watched=PolicySet({rule.name: {**rule.policy, "effect": "forbid"} for rule in rules if rule.observed}),
            fields=fields(names),
            reads_arguments=names is None or "arguments" in names,
            arguments=_union([rule.refers.arguments for rule in rules]),
        )

    def judge(self, asked: Asked, entities: Entities, label: str) -> Verdict:
        """Strictest first: an error, then a forbid, then no permit, then a hold; only then allow."""
        decided = self.deciding.ask(asked, entities)
        held = self.holding.ask(asked, entities)
        observed = self._observed(asked, entities, label) if self.watched else ()
        if decided.errors or held.errors:
            text = "; ".join((*decided.errors, *held.errors))
            return Verdict(Outcome.DENY, (Reason("policy_error", text=text, question=label), *observed))
        if not decided.allowed:
            reasons = self._reasons("forbidden", decided, label) or (Reason("no_permit", question=label),)
            return Verdict(Outcome.DENY, reasons + observed)
        if held.matched:
            holds = tuple(rule.hold for rule in self._matched(held) if rule.hold is not None)
            return Verdict(Outcome.HOLD, self._reasons("held", held, label) + observed, holds)
        return Verdict(Outcome.ALLOW, self._reasons("permitted", decided, label) + observed)

    def _matched(self, answer: Answer) -> list[Rule]:
        """The rules that matched, in the order of the bundle."""
        return sorted((self.rules[name] for name in answer.matched), key=lambda rule: rule.place)

    def _reasons(self, code: str, answer: Answer, label: str) -> tuple[Reason, ...]:
        return tuple([Reason(code, rule.id, rule.reason, label) for rule in self._matched(answer)])

    def _observed(self, asked: Asked, entities: Entities, label: str) -> tuple[Reason, ...]:
        """What the observed rules would have said. They change nothing, not even by failing."""
        answer = self.watched.ask(asked, entities)
        failed = tuple(Reason("observed_error", text=error, question=label) for error in answer.errors)
        return self._reasons("observed", answer, label) + failed


def _union(parts: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    """All names together; None, which is any name, wins."""
    together: set[str] = set()
    for part in parts:
        if part is None:
            return None
        together |= part
    return frozenset(together)
