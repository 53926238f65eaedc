"""One question, judged by the rules of its slice: allow, hold or deny, with the reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from policies.cedar import Answer, Asked, Entities, PolicySet
from policies.context import Field, fields
from policies.model import OBSERVED, Outcome, Reason, Requirement
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

    `enforced` has a hold as a permit: if no forbid matched, Cedar names every permit that did, and so every hold,
    in one evaluation. A hold permits nothing by itself. `watched` are the rules that are only observed, as forbids,
    for beside a forbid Cedar does not name permits.
    """

    rules: Mapping[str, Rule]
    enforced: PolicySet
    watched: PolicySet
    fields: tuple[tuple[str, Field], ...]
    reads_arguments: bool
    arguments: frozenset[str] | None

    @classmethod
    def compile(cls, rules: Sequence[Rule]) -> Self:
        names = _union([rule.refers.context for rule in rules])
        return cls(
            rules={rule.name: rule for rule in rules},
            enforced=PolicySet(
                {
                    rule.name: {**rule.policy, "effect": "permit"} if rule.hold else rule.policy
                    for rule in rules
                    if not rule.observed
                }
            ),
            watched=PolicySet({rule.name: {**rule.policy, "effect": "forbid"} for rule in rules if rule.observed}),
            fields=fields(names),
            reads_arguments=names is None or "arguments" in names,
            arguments=_union([rule.refers.arguments for rule in rules]),
        )

    def judge(self, asked: Asked, entities: Entities, label: str) -> Verdict:
        """Strictest first: an error, then a forbid, then no permit, then a hold; only then allow."""
        answer = self.enforced.ask(asked, entities)
        observed = self._observed(asked, entities, label) if self.watched else ()
        if answer.errors:
            error = Reason("policy_error", text="; ".join(answer.errors), question=label)
            return Verdict(Outcome.DENY, (error, *observed))
        matched = self._matched(answer)
        if not answer.allowed:
            reasons = _reasons("forbidden", matched, label) or (Reason("no_permit", question=label),)
            return Verdict(Outcome.DENY, reasons + observed)
        permits = [rule for rule in matched if rule.effect == "permit"]
        if not permits:
            return Verdict(Outcome.DENY, (Reason("no_permit", question=label), *observed))
        holding = [rule for rule in matched if rule.effect != "permit"]
        if holding:
            holds = tuple([rule.hold for rule in holding if rule.hold is not None])
            return Verdict(Outcome.HOLD, _reasons("held", holding, label) + observed, holds)
        return Verdict(Outcome.ALLOW, _reasons("permitted", permits, label) + observed)

    def _matched(self, answer: Answer) -> list[Rule]:
        """The rules that Cedar names, in the order of the bundle."""
        return sorted([self.rules[name] for name in answer.matched], key=lambda rule: rule.place)

    def _observed(self, asked: Asked, entities: Entities, label: str) -> tuple[Reason, ...]:
        """What the observed rules would have said. They change nothing, not even by failing."""
        answer = self.watched.ask(asked, entities)
        failed = tuple(Reason("observed_error", text=error, question=label) for error in answer.errors)
        return _reasons(OBSERVED, self._matched(answer), label) + failed


def _reasons(code: str, rules: Sequence[Rule], label: str) -> tuple[Reason, ...]:
    return tuple([Reason(code, rule.id, rule.reason, label) for rule in rules])


def _union(parts: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    """All names together; None, which is any name, wins."""
    together: set[str] = set()
    for part in parts:
        if part is None:
            return None
        together |= part
    return frozenset(together)
