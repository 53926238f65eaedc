"""Everything that people wrote, read together, and every mistake in it at once."""

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from policies.bundle import Bundle, read_policies
from policies.mistakes import PolicyMistakes
from policies.model import Mode
from proxy.documents import shown
from proxy.errors import ConfigurationError, Mistake
from proxy.facts import TokenExchangeBinding
from proxy.inventory.check import check_inventory
from proxy.inventory.load import Loaded
from proxy.settings import Settings, directories, load_settings, unsafe
from proxy.world import World, build_world, policy_mistakes


@dataclass(frozen=True, slots=True)
class Checkup:
    """`world` is there only if there is no mistake. Warnings refuse no start; some will refuse calls."""

    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...]
    world: World | None = None


def check_all(path: Path, today: date | None = None, environment: Container[str] | None = None) -> Checkup:
    """The configuration file, the inventory and the policies that it names. Never raises for a person's mistake."""
    mistakes: list[Mistake] = []
    settings = _settings(path, mistakes)
    inventory, policies = (settings.inventory, settings.policies) if settings else directories(path)
    found = check_inventory(
        inventory, today or datetime.now(UTC).date(), os.environ if environment is None else environment
    )
    mistakes.extend(found.mistakes)
    bundle = _policies(policies, mistakes)
    world = None if found.loaded is None else _world(found.loaded, bundle, settings, mistakes)
    warnings = [Mistake(shown(path), 0, "", sentence) for sentence in (unsafe(settings) if settings else [])]
    if found.loaded is not None and settings is not None and settings.identity.token_issuer is None:
        warnings.extend(_unminted(found.loaded))
    return Checkup(tuple(mistakes), (*warnings, *found.warnings), None if mistakes else world)


def _unminted(loaded: Loaded) -> Iterator[Mistake]:
    """Bindings that show an authorization server tokens of ours, where we make none."""
    for entry in loaded.reading.services.values():
        for index, binding in enumerate(entry.fact.bindings):
            for field in ("subject_token", "actor_token"):
                if isinstance(binding, TokenExchangeBinding) and getattr(binding, field) == "minted":
                    why = "is `minted`, and nothing is without `identity.token_issuer`; calls that need it are refused"
                    yield entry.mistake(why, "bindings", index, field)


def _settings(path: Path, mistakes: list[Mistake]) -> Settings | None:
    try:
        return load_settings(path)
    except ConfigurationError as wrong:
        mistakes.extend(wrong.mistakes)
        return None


def _policies(directory: Path, mistakes: list[Mistake]) -> Bundle:
    """The policies; none, with the mistakes noted, if they cannot be read."""
    try:
        return read_policies(Path(shown(directory)))
    except PolicyMistakes as wrong:
        mistakes.extend(policy_mistakes(wrong))
        return Bundle()


def _world(loaded: Loaded, bundle: Bundle, settings: Settings | None, mistakes: list[Mistake]) -> World | None:
    try:
        return build_world(loaded, bundle, settings.mode if settings else Mode.ENFORCE)
    except ConfigurationError as wrong:
        mistakes.extend(loaded.locate(mistake) for mistake in wrong.mistakes)
        return None
