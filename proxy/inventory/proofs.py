"""What newer files no longer let anybody prove themselves by, taken out of the inventory before all that they say can
be in force."""

import hashlib
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from proxy.facts import Fact, Inventory
from proxy.inventory.narrowing import Narrowed

_SECTIONS = {"agent": "agents", "process": "processes", "person": "people"}
_FIELDS = ("identities", "instances", "client_keys")
_OF_A_KEY = ("kty", "crv", "x", "y")


def without_proofs(found: Narrowed, files: Inventory) -> Narrowed:
    """The same, in which nobody has an identity, a template or a key that they have no more by the newest whole files.

    `lost` names them too. What is only written otherwise, or bound more narrowly, waits for the whole.
    """
    update: dict[str, dict[str, Fact]] = {}
    lost: list[str] = []
    for kind, section in _SECTIONS.items():
        facts: Mapping[str, Fact] = getattr(found.inventory, section)
        fewer = dict(_fewer(facts, getattr(files, section)))
        if fewer:
            update[section] = {**facts, **fewer}
            lost.extend(f"identity of {kind}:{name}" for name in sorted(fewer))
    if not lost:
        return found
    changed = "\0".join([found.inventory.version, *lost])
    version = "sha256:" + hashlib.sha256(changed.encode()).hexdigest()
    return Narrowed(found.inventory.model_copy(update={**update, "version": version}), (*found.lost, *lost))


def _fewer(now: Mapping[str, Fact], files: Mapping[str, Fact]) -> Iterator[tuple[str, Fact]]:
    """Those who have fewer of them, each without; who is gone altogether is no matter of proofs."""
    for name, fact in now.items():
        said = files.get(name)
        if said is None:
            continue
        kept: dict[str, tuple[Any, ...]] = {}
        for field in _FIELDS:
            had, has = getattr(fact, field, ()), {_what(one) for one in getattr(said, field, ())}
            left = tuple(one for one in had if _what(one) in has)
            if len(left) < len(had):
                kept[field] = left
        if kept:
            yield name, fact.model_copy(update=kept)


def _what(one: Any) -> Hashable:  # noqa: ANN401 - a subject, a template, or a key
    """What it proves, however it is written."""
    if isinstance(one, Mapping):
        return tuple(str(one.get(member)) for member in _OF_A_KEY)
    return (one.issuer, one.subject)
