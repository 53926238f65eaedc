"""The one door to the Cedar engine. Errors never count in favour: an evaluation that erred did not allow."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import orjson
from cedarpy import _internal as _engine

from policies.model import Json

type Uid = tuple[str, str]
type Asked = dict[str, dict[str, str] | str]
type Effect = Literal["permit", "forbid"]

_TOO_DEEP = (
    "it is nested too deeply; join at most 40 conditions with `&&` or `||`, use a set, as in "
    '`["a", "b"].contains(x)`, or split the policy'
)
_RULE_NAME = re.compile(r"for policy `[^`]*`, ")


class CedarError(Exception):
    """Cedar cannot read what it was given; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one evaluation said. `allowed` holds only with a permit and without a single error.

    `matched` are the policies that determined it: the forbids if any matched, else the permits.
    """

    allowed: bool
    matched: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


SILENCE = Answer(allowed=False)
"""What no policies at all say."""


class Question:
    """One request, ready for the engine but for its context."""

    def __init__(self, principal: Uid, action: Uid, resource: Uid) -> None:
        self._parts = {
            "principal": {"type": principal[0], "id": principal[1]},
            "action": {"type": action[0], "id": action[1]},
            "resource": {"type": resource[0], "id": resource[1]},
        }

    def under(self, context: str) -> Asked:
        """The question under these circumstances: JSON text in Cedar's form."""
        return {**self._parts, "context": context}


@lru_cache(1 << 14)
def parse(statement: str) -> Mapping[str, Json]:
    """One policy in Cedar's JSON form, which Cedar can take back; `CedarError` for anything else.

    Remembered, because the same policies are read again whenever the inventory changes.
    """
    try:
        text = _engine.policies_to_json_str(statement)
    except ValueError as error:
        raise CedarError(str(error)) from error
    try:
        document = orjson.loads(text)
    except ValueError as error:
        raise CedarError(_TOO_DEEP) from error
    if document["templates"]:
        raise CedarError("templates (`?principal`, `?resource`) are not supported; write the policy out")
    policies = list(document["staticPolicies"].values())
    if len(policies) != 1:
        raise CedarError("not exactly one policy")
    policy: Mapping[str, Json] = policies[0]
    PolicySet({"policy": policy})
    return policy


class Schema:
    """A schema that policies and entities are checked against; `CedarError` if the text is none."""

    def __init__(self, text: str) -> None:
        try:
            self._handle = _engine.Schema.from_str(text, release_gil=True)
        except ValueError as error:
            raise CedarError(str(error)) from error

    def mistakes(self, statements: Sequence[str]) -> list[tuple[int, str]]:
        """What is wrong with these policies: the position in the sequence, and the text."""
        if not statements:
            return []
        answer = orjson.loads(_engine.validate_policies("\n".join(statements), self._handle, release_gil=True))
        found = []
        for error in answer["errors"]:
            position = error["policy_id"].removeprefix("policy")
            if not position.isdecimal():
                raise CedarError(f"the validator found a mistake that is no policy's: {error['error']}")
            found.append((int(position), _RULE_NAME.sub("", error["error"], count=1)))
        if not found and answer["validation_passed"] is not True:
            raise CedarError("the validator gave no verdict")
        return found

    @property
    def handle(self) -> _engine.Schema:
        return self._handle


class Entities:
    """All entities, checked against the schema once; `CedarError` if one does not fit."""

    def __init__(self, entities: Sequence[Mapping[str, Json]], schema: Schema) -> None:
        text = orjson.dumps(list(entities)).decode()
        try:
            self._handle = _engine.Entities.from_json_str(text, schema.handle, release_gil=True)
        except ValueError as error:
            raise CedarError(str(error)) from error

    @property
    def handle(self) -> _engine.Entities:
        return self._handle


class PolicySet:
    """Policies by name, ready to be evaluated; `CedarError` if Cedar cannot take them.

    An empty set answers no, without asking Cedar.
    """

    def __init__(self, policies: Mapping[str, Mapping[str, Json]]) -> None:
        self._handle: _engine.PolicySet | None = None
        if policies:
            document = {"templates": {}, "staticPolicies": policies, "templateLinks": []}
            try:
                self._handle = _engine.PolicySet.from_json_str(orjson.dumps(document).decode())
            except (ValueError, orjson.JSONEncodeError) as error:
                raise CedarError(_TOO_DEEP) from error

    def __bool__(self) -> bool:
        return self._handle is not None

    def ask(self, asked: Asked, entities: Entities) -> Answer:
        """The answer of these policies alone."""
        if self._handle is None:
            return SILENCE
        # The batch call of the extension itself: the public wrapper parses and wraps what we read once.
        (answer,) = _engine.is_authorized_batch([asked], self._handle, entities.handle, None, False)  # noqa: FBT003 - takes no keywords
        return _read(orjson.loads(answer))


def _read(answer: dict[str, dict[str, list[str]]]) -> Answer:
    """Allow only on a plain `Allow` with a reason and no error; any other shape is an error."""
    diagnostics = answer.get("diagnostics") or {}
    decision: object = answer.get("decision")
    errors = tuple(diagnostics.get("errors", ("no diagnostics",)))
    matched = tuple(diagnostics.get("reason", ()))
    if decision not in ("Allow", "Deny") and not errors:
        errors = (f"the engine answered {decision}",)
    return Answer(decision == "Allow" and bool(matched) and not errors, matched, errors)
