"""Everything that people wrote, read together, and every mistake in it at once."""

import contextlib
import os
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from policies.bundle import Bundle, read_policies
from policies.mistakes import PolicyMistakes
from policies.model import Mode
from proxy.credentials.references import loose_permissions
from proxy.documents import shown
from proxy.errors import ConfigurationError, Mistake
from proxy.facts import Agent, AnyBinding, Instances, Inventory, Process, Subject, TokenExchangeBinding
from proxy.files import open_to_others
from proxy.inventory.check import check_inventory, missing_secrets
from proxy.inventory.documents import document_path
from proxy.inventory.load import Loaded
from proxy.inventory.read import Entry
from proxy.settings import Settings, directories, load_settings, ownership_rules, secret_references, unsafe
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
    if settings is None and not os.path.lexists(path):
        return Checkup(tuple(mistakes), ())  # what lies in its folder is not meant
    inventory, policies = (settings.inventory, settings.policies) if settings else directories(path)
    variables = os.environ if environment is None else environment
    found = check_inventory(
        inventory,
        today or datetime.now(UTC).date(),
        variables,
        _documents(settings),
        ownership_rules(settings) if settings else None,
    )
    mistakes.extend(found.mistakes)
    bundle = _policies(policies, mistakes)
    world = None if found.loaded is None else _world(found.loaded, bundle, settings, mistakes)
    warnings = [Mistake(shown(path), 0, "", sentence) for sentence in (unsafe(settings) if settings else [])]
    warnings.extend(_exposed_settings(shown(path), settings) if settings else ())
    warnings.extend(_open_state(shown(path), settings) if settings else ())
    warnings.extend(_exposed(found.loaded) if found.loaded else ())
    warnings.extend(_unheard(shown(path), settings) if settings else ())
    if found.loaded is not None and settings is not None:
        warnings.extend(_scim_unset(shown(path), settings, variables))
        warnings.extend(_without_a_team(shown(path), found.loaded, settings))
        warnings.extend(_believed_by_nobody(found.loaded, settings))
        warnings.extend(_without_a_client(found.loaded, settings))
        warnings.extend(_actors_of_nobody(shown(path), found.loaded, settings))
        if settings.identity.token_issuer is None:
            warnings.extend(_unminted(found.loaded))
    return Checkup(tuple(mistakes), (*warnings, *found.warnings), None if mistakes else world)


def unsafe_here(settings: Settings, inventory: Inventory) -> list[str]:
    """The sentences for the start-up lines: what the settings leave open, and secrets that others may read here."""
    exposed = [
        f"`{service.id}`, `{binding.id}`: {why}"
        for service in inventory.services.values()
        for binding in service.bindings
        for _, why in _loose(binding)
    ]
    named = [f"`{one.field}`: {one.text}" for one in _exposed_settings("", settings)]
    return [*unsafe(settings), *named, *exposed]


def missing_here(inventory: Inventory) -> list[str]:
    """The sentences for the start-up lines about secrets that are not here: whoever sees a 503 later looks there."""
    return [
        f"`{service.id}`, `{binding.id}`: {why}"
        for service in inventory.services.values()
        for binding in service.bindings
        for _, why in missing_secrets(binding, os.environ)
    ]


def _exposed_settings(file: str, settings: Settings) -> Iterator[Mistake]:
    for field, reference in secret_references(settings):
        if why := loose_permissions(reference):
            yield Mistake(file, 0, field, why)


def _open_state(file: str, settings: Settings) -> Iterator[Mistake]:
    """A state directory that is made otherwise than by us, or by an earlier version; a start refuses it."""
    with contextlib.suppress(OSError):
        if why := open_to_others(settings.state):
            yield Mistake(file, 0, "state", f"{why}; `countersign serve` does not start before")


def _unheard(file: str, settings: Settings) -> Iterator[Mistake]:
    """Sources of which nothing is kept yet: whatever names what they would bring is a mistake here."""
    for source, document in zip(settings.inventory_sources, _documents(settings), strict=True):
        if not document.exists():
            text = f"nothing is kept of `{source.id}` yet, so what it would bring is missing here"
            how = (
                "`countersign serve` asks it first" if source.file or source.url else "`countersign inventory put` does"
            )
            yield Mistake(file, 0, "inventory_sources", f"{text}; {how}")


def _exposed(loaded: Loaded) -> Iterator[Mistake]:
    for entry in loaded.reading.services.values():
        for index, binding in enumerate(loaded.inventory.services[entry.fact.id].bindings):
            for field, why in _loose(binding):
                yield entry.mistake(why, "bindings", index, field)


def _loose(binding: AnyBinding) -> Iterator[tuple[str, str]]:
    for field, reference in binding.references.items():
        if why := loose_permissions(reference):
            yield field, why


def _scim_unset(file: str, settings: Settings, environment: Container[str]) -> Iterator[Mistake]:
    """A token that is not here now; the server does not start where it is missing."""
    kind, _, name = (settings.control.scim_token or "").partition(":")
    if kind == "env" and name not in environment:
        why = f"the variable `{name}` is not set here; `countersign serve` does not start without it"
        yield Mistake(file, 0, "control.scim_token", why)


def _without_a_team(file: str, loaded: Loaded, settings: Settings) -> Iterator[Mistake]:
    """Teams of the settings that the inventory does not have: found out now, and not in an incident."""
    for field in ("auditors", "responders"):
        for team in getattr(settings.control, field):
            if team not in loaded.inventory.teams:
                yield Mistake(file, 0, f"control.{field}", f"`{team}` is not a team in the inventory; nobody is of it")


def _believed_by_nobody(loaded: Loaded, settings: Settings) -> Iterator[Mistake]:
    """Identities of issuers of which the settings say nothing: an agent that shows one is refused."""
    identity, heard = settings.identity, settings.signals.transmitters
    believed = {each.issuer for each in identity.issuers} | {each.issuer for each in heard}
    believed |= {each.issuer for each in identity.kubernetes}
    believed |= {f"spiffe://{each.trust_domain}" for each in identity.trust_domains}
    believed |= {issuer for each in heard for issuer in each.subject_issuers}
    believed |= {"unix"} if settings.listen.local is not None else set()
    for agent in loaded.reading.agents.values():
        yield from _unbelieved(agent, "identities", agent.fact.identities, believed)
        yield from _unbelieved(agent, "instances", agent.fact.instances, believed)
    for process in loaded.reading.processes.values():
        yield from _unbelieved(process, "identities", process.fact.identities, believed)


def _unbelieved[F: Agent | Process](
    entry: Entry[F], field: str, shown_as: Iterable[Subject | Instances], believed: Container[str]
) -> Iterator[Mistake]:
    for index, each in enumerate(shown_as):
        if each.issuer not in believed:
            why = f"`{each.issuer}` is not in `identity` of the settings; it proves nothing until it is"
            if each.issuer == "unix":
                why = "`unix` needs `listen.local` in the settings; it proves nothing until then"
            yield entry.mistake(why, field, index, "issuer")


def _without_a_client(loaded: Loaded, settings: Settings) -> Iterator[Mistake]:
    """Agents and processes that an account of the same name would be taken for, where the issuer also knows people."""
    people = {one.issuer for person in loaded.inventory.people.values() for one in person.identities}
    people &= {one.issuer for one in settings.identity.issuers if one.subject_format == "opaque"}
    machines: list[Entry[Agent] | Entry[Process]] = [
        *loaded.reading.agents.values(),
        *loaded.reading.processes.values(),
    ]
    for entry in machines:
        for index, each in enumerate(entry.fact.identities):
            if each.issuer in people and each.client_id is None:
                why = f"without `client_id`, a person's account of this name there would be taken for `{entry.fact.id}`"
                yield entry.mistake(why, "identities", index)


def _actors_of_nobody(file: str, loaded: Loaded, settings: Settings) -> Iterator[Mistake]:
    """A misspelt agent acts for nobody."""
    for issuer in settings.identity.issuers:
        for one in issuer.actors:
            for agent in one.agents:
                if agent not in loaded.inventory.agents:
                    yield Mistake(file, 0, "identity.issuers.actors", f"`{agent}` is not an agent in the inventory")


def _unminted(loaded: Loaded) -> Iterator[Mistake]:
    """Bindings that show an authorization server tokens of ours, where we make none."""
    for entry in loaded.reading.services.values():
        for index, binding in enumerate(entry.fact.bindings):
            for field in ("subject_token", "actor_token"):
                if isinstance(binding, TokenExchangeBinding) and getattr(binding, field) == "minted":
                    why = "is `minted`, and nothing is without `identity.token_issuer`; calls that need it are refused"
                    yield entry.mistake(why, "bindings", index, field)


def _documents(settings: Settings | None) -> list[Path]:
    """What sources elsewhere last said, as far as it was ever kept."""
    if settings is None:
        return []
    return [document_path(settings.state / "inventory", source.id) for source in settings.inventory_sources]


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
