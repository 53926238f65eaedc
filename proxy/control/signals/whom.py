"""From a subject to what ends with it. A transmitter speaks for its own subjects only."""

from collections.abc import Iterator

from proxy.control.signals.model import Transmitter
from proxy.control.signals.subjects import Complex, Email, IssSub, Opaque, Simple, Subject
from proxy.control.signals.words import SetRefused
from proxy.errors import CountersignError
from proxy.facts import Inventory
from proxy.facts.common import Subject as Known
from proxy.tasks.scopes import checked_scope

# The parts of a complex subject that are somebody; the others (session, device, tenant ...) only narrow it.
_SOMEBODY = ("user", "application")


def scopes_of(subject: Subject, transmitter: Transmitter, inventory: Inventory) -> tuple[str, ...]:
    """Every scope that ends with this subject; none if it is nobody whom we know.

    Raises `SetRefused` for a subject that is not this transmitter's. What a complex subject narrows (a session, a
    device) is not told apart here, so that all of the one whom it names is meant.
    """
    found: list[str] = []
    for one in _named(subject):
        found += _scopes(one, transmitter, inventory)
    # what cannot be written as a scope is nothing that could end
    return tuple(one for one in dict.fromkeys(found) if _is_scope(one))


def shown(subject: Subject) -> str:
    """The subject in one line, for the record."""
    match subject:
        case Email(address):
            return f"email:{address}"
        case IssSub(issuer, sub):
            return f"iss_sub:{issuer}|{sub}"
        case Opaque(id_):
            return f"opaque:{id_}"
        case Complex(parts):
            return " ".join(f"{name}={'unknown' if part is None else shown(part)}" for name, part in parts.items())


def _named(subject: Subject) -> list[Simple]:
    if not isinstance(subject, Complex):
        return [subject]
    named = [subject.parts.get(name) for name in _SOMEBODY if name in subject.parts]
    known = [one for one in named if one is not None]
    if not known or len(known) != len(named):
        raise SetRefused("invalid_request", "a complex `sub_id` needs a `user` or `application` that we can read")
    return known


def _scopes(subject: Simple, transmitter: Transmitter, inventory: Inventory) -> list[str]:
    match subject:
        case Email(address) if subject.domain in transmitter.email_domains:
            people = [one for one in inventory.people.values() if one.email.lower() == address]
            return [scope for person in people for scope in _person(person.id, person.identities)]
        case IssSub(issuer, sub) if issuer in {transmitter.issuer, *transmitter.subject_issuers}:
            return [f"principal:{issuer}|{sub}", *_known_as(issuer, sub, inventory)]
        case Opaque(id_) if transmitter.knows_scopes:
            if not _is_scope(id_):
                raise SetRefused("invalid_request", "the opaque identifier is not a scope")
            return [id_]
    raise SetRefused("access_denied", "this transmitter does not speak for this subject")


def _known_as(issuer: str, subject: str, inventory: Inventory) -> Iterator[str]:
    """Whoever the inventory knows by this subject: all of them, since one too many is the lesser harm."""
    for person in inventory.people.values():
        if _has(person.identities, issuer, subject):
            yield from _person(person.id, person.identities)
    for agent in inventory.agents.values():
        if _has(agent.identities, issuer, subject):
            yield f"agent:{agent.id}"
    for process in inventory.processes.values():
        if _has(process.identities, issuer, subject):
            yield f"process:{process.id}"
            yield f"principal:{process.id}"


def _person(person: str, identities: tuple[Known, ...]) -> Iterator[str]:
    yield f"principal:{person}"
    for one in identities:
        yield f"principal:{one.issuer}|{one.subject}"


def _is_scope(text: str) -> bool:
    try:
        checked_scope(text)
    except CountersignError:
        return False
    return True


def _has(identities: tuple[Known, ...], issuer: str, subject: str) -> bool:
    return any((one.issuer, one.subject) == (issuer, subject) for one in identities)
