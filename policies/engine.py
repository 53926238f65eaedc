"""The policies in force, compiled once, and asked about every call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter_ns

import orjson

from policies.boundaries import Boundary, Known, Missing, subject
from policies.bundle import Bundle
from policies.cedar import CedarError, Entities, Question, Schema, Uid
from policies.context import Circumstances, circumstances, context
from policies.entities import ancestors, catalogue_entities
from policies.lint import find_mistakes
from policies.mistakes import PolicyMistake, PolicyMistakes
from policies.model import Catalogue, Decision, Inquiry, Mode, Outcome, Reason
from policies.obligations import merge
from policies.rules import read_rules
from policies.schema import Action, actions, schema_text
from policies.shapes import DoesNotFit, Record
from policies.slicing import Slicer
from policies.verdicts import Slice, Verdict

_KEPT = 1 << 14
_LONGEST_KEPT = 1 << 12
_STRICTNESS = {Outcome.DENY: 0, Outcome.HOLD: 1, Outcome.ALLOW: 2}


def compile_engine(bundle: Bundle, catalogue: Catalogue, mode: Mode) -> "Engine":
    """The engine of these policies over this catalogue; raises `PolicyMistakes` with every mistake there is."""
    asked = actions(catalogue)
    things = catalogue_entities(catalogue)
    above = ancestors(things, asked)
    entities = Entities([each.json() for each in things], _schema(asked))
    rules, mistakes = read_rules(bundle, catalogue)
    mistakes += find_mistakes(rules, asked, above)
    if mistakes:
        raise PolicyMistakes(mistakes)
    version = f"{bundle.version}/{catalogue.version}"
    return Engine(version, mode, Known(catalogue, asked), Slicer(rules, above), entities)


def _schema(asked: Mapping[str, Action]) -> Schema:
    """The schema of all actions; a tool that Cedar cannot express is a mistake with the tool's name."""
    try:
        return Schema(schema_text(asked.values()))
    except CedarError:
        mistakes = []
        for action in asked.values():
            try:
                Schema(schema_text([action]))
            except CedarError as error:
                text = f"policies cannot speak of this tool, correct its input schema: {error}"
                mistakes.append(PolicyMistake("inventory", 0, action.name, text))
        raise PolicyMistakes(mistakes) from None


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """All of a question that does not change from call to call."""

    part: Slice
    question: Question
    label: str


class Engine:
    """Answers inquiries. Immutable but for its caches, and safe to ask from any thread."""

    def __init__(self, version: str, mode: Mode, known: Known, slicer: Slicer, entities: Entities) -> None:
        self._version = version
        self._mode = mode
        self._known = known
        self._slicer = slicer
        self._entities = entities
        self._compiled = lru_cache(_KEPT)(Slice.compile)
        self._prepared = lru_cache(_KEPT)(self._prepare)
        self._remembered = lru_cache(_KEPT)(self._evaluate)

    @property
    def version(self) -> str:
        """The versions of policies and catalogue: the same version, the same answers."""
        return self._version

    @property
    def mode(self) -> Mode:
        return self._mode

    def decide(self, inquiry: Inquiry) -> Decision:
        """The strictest answer to all questions that the call raises."""
        started = perf_counter_ns()
        if not self._slicer.rules:
            return self._decision(started, [_denial("nothing_configured", subject(inquiry))])
        try:
            principals, boundaries = self._known.principals(inquiry), self._known.boundaries(inquiry)
        except Missing as missing:
            return self._decision(started, [_denial(str(missing), subject(inquiry))])
        verdicts = self._verdicts(inquiry, principals, boundaries)
        return self._decision(started, verdicts, observe=self._mode is Mode.OBSERVE)

    def _verdicts(self, inquiry: Inquiry, principals: Sequence[Uid], boundaries: Sequence[Boundary]) -> list[Verdict]:
        """Every principal's answer at every boundary: one question each."""
        tool = None if inquiry.lifecycle else self._known.tools.get((inquiry.service, inquiry.tool or ""))
        known = circumstances(inquiry, self._known.services[inquiry.service], tool)
        verdicts = []
        for boundary in boundaries:
            shape = boundary.action.arguments
            try:
                if shape is not None:
                    shape.check_members(inquiry.arguments)
                verdicts += [self._judge(self._prepared(who, boundary), boundary, known) for who in principals]
            except DoesNotFit as wrong:
                verdicts.append(_denial("arguments_invalid", boundary.label, str(wrong)))
            except orjson.JSONEncodeError as error:
                verdicts.append(_denial("policy_error", boundary.label, f"cannot be put to the policies: {error}"))
        return verdicts

    def _prepare(self, principal: Uid, boundary: Boundary) -> _Prepared:
        action, resource = ("Action", boundary.action.name), boundary.resource
        label = boundary.label if principal[0] == "Agent" else f"{boundary.label} on behalf of {principal[1]}"
        part = self._compiled(self._slicer.relevant(principal, action, resource))
        return _Prepared(part, Question(principal, action, resource), label)

    def _judge(self, prepared: _Prepared, boundary: Boundary, known: Circumstances) -> Verdict:
        part = prepared.part
        values = context(known, part.fields)
        if not part.reads_arguments or boundary.action.resource != "Service":
            text = orjson.dumps(values)  # with the path in it, perhaps: what is long is not remembered
            return (self._remembered if len(text) <= _LONGEST_KEPT else self._evaluate)(prepared, text)
        shape = boundary.action.arguments or Record()
        values["arguments"] = shape.members_to_cedar(known.inquiry.arguments, only=part.arguments)
        return self._evaluate(prepared, orjson.dumps(values))

    def _evaluate(self, prepared: _Prepared, values: bytes) -> Verdict:
        """What the rules say. It depends on nothing else, so may be remembered; arguments are nobody's to keep."""
        return prepared.part.judge(prepared.question.under(values.decode()), self._entities, prepared.label)

    def _decision(self, started: int, verdicts: Sequence[Verdict], *, observe: bool = False) -> Decision:
        """All verdicts as one: an empty list of them is a denial."""
        ordered = sorted(verdicts, key=lambda verdict: _STRICTNESS[verdict.outcome])
        would = ordered[0].outcome if ordered else Outcome.DENY
        outcome = Outcome.ALLOW if observe else would
        holds = [hold for verdict in ordered for hold in verdict.holds]
        return Decision(
            outcome=outcome,
            reasons=tuple([reason for verdict in ordered for reason in verdict.reasons]),
            policy_version=self._version,
            requirement=merge(holds) if outcome is Outcome.HOLD else None,
            mode=self._mode,
            would=would,
            duration_us=(perf_counter_ns() - started) // 1000,
        )


def _denial(code: str, question: str, text: str = "") -> Verdict:
    return Verdict(Outcome.DENY, (Reason(code, text=text, question=question),))
