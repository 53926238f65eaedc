"""What a policy refers to: entities, and parts of the context. Read from Cedar's JSON form of the policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from policies.cedar import Uid
from policies.model import Json

type Node = Mapping[str, Json]
type Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class References:
    """`context` and `arguments` are the names that the policy reads; None means it may read any of them.

    INVARIANT: a name missing here is never read by the policy. The engine leaves it out of the context.
    """

    entities: frozenset[Uid]
    context: frozenset[str] | None
    arguments: frozenset[str] | None
    tested: frozenset[Path]
    """The context paths whose presence is tested with `has`."""
    attributes: frozenset[tuple[str, str]]
    """The attributes of `principal` and `resource` whose presence is tested with `has`."""


def references(policy: Node) -> References:
    """Everything that this policy refers to, in its scope and in its conditions."""
    collector = _Collector()
    for key in ("principal", "action", "resource"):
        collector.scope(cast("Node", policy[key]))
    for condition in cast("list[Node]", policy["conditions"]):
        collector.expression(condition["body"])
    read = collector.read | collector.tested
    whole_context = () in read
    whole_arguments = whole_context or ("arguments",) in collector.read
    return References(
        entities=frozenset(collector.entities),
        context=None if whole_context else frozenset(path[0] for path in read),
        arguments=None
        if whole_arguments
        else frozenset(path[1] for path in read if path[0] == "arguments" and path[1:]),
        tested=frozenset(collector.tested),
        attributes=frozenset(collector.attributes),
    )


class _Collector:
    def __init__(self) -> None:
        self.entities: set[Uid] = set()
        self.read: set[Path] = set()
        self.tested: set[Path] = set()
        self.attributes: set[tuple[str, str]] = set()

    def scope(self, constraint: Node) -> None:
        self.entities.update(scope_entities(constraint))

    def expression(self, node: Json) -> None:
        """Dispatches on the node's one key; a key that we do not know is searched through like any other."""
        if isinstance(node, list):
            for item in node:
                self.expression(item)
        elif isinstance(node, dict):
            for operator, operand in node.items():
                self.operation(operator, operand)

    def operation(self, operator: str, operand: Json) -> None:
        if operator == "Value":
            self.value(operand)
        elif operator == "Record" and isinstance(operand, dict):
            self.expression(list(operand.values()))
        elif operator in {".", "has"} and isinstance(operand, dict) and "attr" in operand:
            self.access(operator, operand)
        elif operator == "Var" and operand == "context":
            self.read.add(())
        else:
            self.expression(operand)

    def access(self, operator: str, operand: dict[str, Json]) -> None:
        base = _context_path(operand["left"])
        if base is None:
            if operator == "has" and operand["left"] in ({"Var": "principal"}, {"Var": "resource"}):
                left = cast("dict[str, str]", operand["left"])
                self.attributes.add((left["Var"], str(operand["attr"])))
            self.expression(operand["left"])
        elif operator == "has":
            self.tested.add((*base, str(operand["attr"])))
        else:
            self.read.add((*base, str(operand["attr"])))

    def value(self, value: Json) -> None:
        if isinstance(value, list):
            for item in value:
                self.value(item)
        elif isinstance(value, dict):
            entity = value.get("__entity")
            if isinstance(entity, dict):
                self.entities.add(_uid(entity))
            else:
                for item in value.values():
                    self.value(item)


def _context_path(node: Json) -> Path | None:
    """`context.a.b` as `("a", "b")`, `context` as `()`; None for any other expression."""
    names: list[str] = []
    while isinstance(node, dict):
        if node == {"Var": "context"}:
            return tuple(reversed(names))
        step = node.get(".")
        if not isinstance(step, dict):
            return None
        names.append(str(step["attr"]))
        node = step["left"]
    return None


def scope_entities(constraint: Node) -> Iterator[Uid]:
    """The entities that one part of a policy's scope names."""
    inside = constraint.get("in")
    for holder in (constraint, inside if isinstance(inside, dict) else {}):
        entity, entities = holder.get("entity"), holder.get("entities")
        if isinstance(entity, dict):
            yield _uid(entity)
        for item in entities if isinstance(entities, list) else ():
            yield _uid(cast("Node", item))


def _uid(entity: Node) -> Uid:
    return str(entity["type"]), str(entity["id"])
