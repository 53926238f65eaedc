"""What would make a rule silently mean nothing: found before it is in force, each with its place."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from policies.cedar import Schema, Uid
from policies.context import FIELDS
from policies.entities import ATTRIBUTES
from policies.mistakes import PolicyMistake, nearest
from policies.references import Node, Path, scope_entities
from policies.rules import Rule
from policies.schema import Action, schema_text
from policies.shapes import Record, Shape

_ACTIONS_AT_ONCE = 16
_ATTRIBUTE = re.compile(r"attribute `([^`]*)`")
_ACTION = re.compile(r'Action::"(?:[^"\\]|\\.)*"')
_LAST_NAME = re.compile(r'([^."\[\]]+)"?\]?$')


def find_mistakes(rules: Sequence[Rule], actions: Mapping[str, Action], known: Iterable[Uid]) -> list[PolicyMistake]:
    """Every mistake in rules that can be read: unknown names first, then what Cedar's validator finds."""
    ids: dict[str, set[str]] = defaultdict(set, {kind: set() for kind in ("Team", *ATTRIBUTES)})
    for kind, name in known:
        ids[kind].add(name)
    mistakes: list[PolicyMistake] = []
    sound: list[Rule] = []
    for rule in rules:
        found = [*_unknown_entities(rule, ids), *_impossible(rule, actions)]
        found = found or list(_unknown_tests(rule, _in_scope(rule, actions)))
        mistakes += found
        if not found:
            sound.append(rule)
    return mistakes + _invalid(sound, actions)


def _unknown_entities(rule: Rule, ids: Mapping[str, set[str]]) -> Iterator[PolicyMistake]:
    """Names of things that the inventory does not have: a rule about nobody."""
    for kind, name in sorted(rule.refers.entities):
        if kind in ids and name not in ids[kind]:
            what = "tool, method or group" if kind == "Action" else kind.lower()
            text = f"the inventory has no such {what}; {nearest(name, ids[kind], 'add it there, or correct the name')}"
            yield _mistake(rule, name, f'{kind}::"{name}"', text)


def _impossible(rule: Rule, actions: Mapping[str, Action]) -> Iterator[PolicyMistake]:
    """A rule about the tools of one service on another service, which no call can ever match."""
    named = _named_actions(rule)
    services = {actions[name].service for name in named if name in actions}
    resources = list(scope_entities(cast("Node", rule.policy["resource"])))
    if not named or not resources or "" in services or any(name not in actions for name in named):
        return
    kind, name = resources[0]
    if kind in {"Service", "Api"} and name not in services:
        text = f"this can never match: the tools named here belong to {', '.join(f'`{each}`' for each in services)}"
        yield _mistake(rule, name, f'{kind}::"{name}"', text)


def _unknown_tests(rule: Rule, scope: Sequence[Action]) -> Iterator[PolicyMistake]:
    """`context has ammount`: Cedar finds that valid, and simply false. It would switch the rule off."""
    for path in sorted(rule.refers.tested):
        if not any(_exists(action, path) for action in scope):
            names = {name for action in scope for name in _siblings(action, path)}
            advice = nearest(path[-1], names, "correct the name, or declare it in the tool's input schema")
            advice = "only a call of a tool has arguments" if path == ("arguments",) else advice
            text = f"nothing that this policy is about has this; {advice}"
            yield _mistake(rule, path[-1], f"context.{'.'.join(path)}", text)
    for variable, attribute in sorted(rule.refers.attributes):
        known = frozenset[str]().union(*ATTRIBUTES.values())
        if attribute not in known:
            text = f"no {variable} has this attribute; {nearest(attribute, known, 'correct the name')}"
            yield _mistake(rule, attribute, f"{variable}.{attribute}", text)


def _exists(action: Action, path: Path) -> bool:
    """Whether this action's context can have this. What lies below other fields is an entity's: the validator's."""
    return path[0] in FIELDS if path[0] != "arguments" else path[-1] in _siblings(action, path)


def _siblings(action: Action, path: Path) -> frozenset[str]:
    """The names that could stand where the last of this path stands."""
    if path[0] != "arguments" or len(path) == 1:
        return frozenset((*FIELDS, "arguments") if action.resource == "Service" else FIELDS)
    shape: Shape = action.arguments or Record()
    for name in path[1:-1]:
        if not isinstance(shape, Record) or name not in shape.members:
            return frozenset()
        shape = shape.members[name].shape
    return shape.visible if isinstance(shape, Record) else frozenset()


def _named_actions(rule: Rule) -> list[str]:
    """The actions and groups that the scope names; none when it is about all."""
    return [name for _, name in scope_entities(cast("Node", rule.policy["action"]))]


def _in_scope(rule: Rule, actions: Mapping[str, Action]) -> list[Action]:
    """The actions that the rule can be about. A group without members has one here: it is no mistake to guard it."""
    named = set(_named_actions(rule))
    if not named:
        return list(actions.values())
    if named <= actions.keys():
        return [actions[name] for name in sorted(named)]
    found = [action for action in actions.values() if action.name in named or not named.isdisjoint(action.groups)]
    return found or [Action(f"{group}/none", "Service", groups=(group,)) for group in sorted(named)]


def _invalid(rules: Sequence[Rule], actions: Mapping[str, Action]) -> list[PolicyMistake]:
    """What Cedar's validator says."""
    mistakes = []
    for asked, group in _batches(rules, actions):
        schema = Schema(schema_text(sorted(asked, key=lambda action: action.name)))
        found = schema.mistakes([rule.statement.text for rule in group])
        mistakes += [_validation(group[position], text) for position, text in _once(found)]
    return mistakes


def _batches(
    rules: Sequence[Rule], actions: Mapping[str, Action]
) -> Iterator[tuple[frozenset[Action], Sequence[Rule]]]:
    """Rules with a schema of the actions that they are about, and few more.

    The validator's cost for one rule grows with all actions of its schema, whatever the rule is about; but each
    schema costs something, too.
    """
    alike: dict[frozenset[Action], list[Rule]] = defaultdict(list)
    for rule in rules:
        mentioned = (actions[name] for kind, name in rule.refers.entities if kind == "Action" and name in actions)
        alike[frozenset((*mentioned, *_in_scope(rule, actions)))].append(rule)
    together: frozenset[Action] = frozenset()
    batch: list[Rule] = []
    for asked, group in alike.items():
        if batch and len(together | asked) > _ACTIONS_AT_ONCE:
            yield together, batch
            together, batch = frozenset(), []
        together |= asked
        batch += group
    if batch:
        yield together, batch


def _once(found: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The validator repeats itself for every action that a rule is about: each thing once, and how often."""
    alike: dict[tuple[int, str], list[str]] = defaultdict(list)
    for position, text in found:
        alike[position, _ACTION.sub("", text)].append(text)
    for (position, _), texts in alike.items():
        yield position, texts[0] + (f" (and for {len(texts) - 1} more)" if len(texts) > 1 else "")


def _validation(rule: Rule, text: str) -> PolicyMistake:
    attribute = _ATTRIBUTE.search(text)
    name = _LAST_NAME.search(attribute[1]) if attribute else None
    return _mistake(rule, name[1] if name else rule.effect, "", text)


def _mistake(rule: Rule, word: str, field: str, text: str) -> PolicyMistake:
    return PolicyMistake(rule.file, rule.statement.line_of(word), field, text)
