"""Which rules can possibly speak to a question, found by their scopes, so that the others cost nothing.

A slice leaves out only rules whose scope cannot match: evaluating it answers as evaluating all would.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from policies.cedar import Uid
from policies.model import Json
from policies.references import Node, scope_entities
from policies.rules import Rule

type Key = tuple[str, str, Uid | None]

_ANY: Key = ("any", "", None)


class Slicer:
    """An index of rules by what their scopes ask of principal, action and resource."""

    def __init__(self, rules: Sequence[Rule], ancestors: Mapping[Uid, tuple[Uid, ...]]) -> None:
        self.rules = tuple(rules)
        self._ancestors = ancestors
        self._index: dict[Key, dict[Key, dict[Key, list[Rule]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )
        for rule in rules:
            principal, resource = _key(rule.policy["principal"]), _key(rule.policy["resource"])
            for action in _action_keys(rule.policy["action"]):
                self._index[action][resource][principal].append(rule)

    def relevant(self, principal: Uid, action: Uid, resource: Uid) -> tuple[Rule, ...]:
        """Every rule whose scope may match this question, in the order of the bundle."""
        found: set[Rule] = set()
        for by_resource in self._present(self._index, action):
            for by_principal in self._present(by_resource, resource):
                for rules in self._present(by_principal, principal):
                    found.update(rules)
        return tuple(sorted(found, key=lambda rule: rule.place))

    def _present[T](self, index: Mapping[Key, T], uid: Uid) -> Iterator[T]:
        """The parts of an index under the keys that this entity satisfies."""
        for key in self._keys(uid):
            if key in index:
                yield index[key]

    def _keys(self, uid: Uid) -> Iterator[Key]:
        kind = uid[0]
        yield _ANY
        yield ("==", "", uid)
        yield ("is", kind, None)
        for group in (uid, *self._ancestors.get(uid, ())):
            yield ("in", "", group)
            yield ("is in", kind, group)


def _key(constraint: Json) -> Key:
    """What a part of the scope asks. Anything unfamiliar counts as relevant to every question."""
    node = cast("Node", constraint)
    entities = list(scope_entities(node))
    kind = str(node.get("entity_type", ""))
    match node["op"]:
        case "==" if len(entities) == 1:
            return ("==", "", entities[0])
        case "in" if len(entities) == 1:
            return ("in", "", entities[0])
        case "is" if not entities:
            return ("is", kind, None)
        case "is" if len(entities) == 1:
            return ("is in", kind, entities[0])
        case _:
            return _ANY


def _action_keys(constraint: Json) -> list[Key]:
    """As `_key`, but an action may be asked to be in any of several."""
    node = cast("Node", constraint)
    if node["op"] == "in" and isinstance(node.get("entities"), list):
        return [("in", "", entity) for entity in dict.fromkeys(scope_entities(node))]
    return [_key(constraint)]
