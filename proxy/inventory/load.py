"""The inventory as one consistent value: everything in it fits together, or nothing is used."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from proxy.documents import shown
from proxy.errors import ConfigurationError, Mistake
from proxy.facts import AnyBinding, Dataset, Inventory, Obtained, Service
from proxy.inventory.client_keys import wrong_client_keys
from proxy.inventory.destinations import overlapping, wrong_destination
from proxy.inventory.files import Snapshot, read_referenced
from proxy.inventory.read import SECTIONS, Entry, Reading, read_entries
from proxy.inventory.references import dangling
from proxy.inventory.review_dates import Horizon, put_off

_ENTRY = re.compile(r"(services|datasets)\[([^\[\]]+)\]")


@dataclass(frozen=True, slots=True)
class Loaded:
    """An inventory without a mistake, the bytes that it was read from, and where each entry is written."""

    inventory: Inventory
    snapshot: Snapshot
    reading: Reading

    def openapi(self, service: Service) -> bytes:
        """The service's OpenAPI document, as it was when the inventory was read."""
        path = Path(service.openapi or "")
        if path not in self.snapshot.referenced:
            raise ConfigurationError([Mistake(shown(path), 0, "", f"is not the document of `{service.id}`")])
        return self.snapshot.referenced[path]

    def locate(self, mistake: Mistake) -> Mistake:
        """The same mistake with the file and line of the entry that it is about, where it names one and has none."""
        named = _ENTRY.match(mistake.field)
        if mistake.line or named is None:
            return mistake
        entry: Entry[Service] | Entry[Dataset] | None
        entry = (self.reading.services if named[1] == "services" else self.reading.datasets).get(named[2])
        if entry is None:
            return mistake
        return Mistake(entry.document.file, entry.document.line(entry.at), mistake.field, mistake.text)


def build(snapshot: Snapshot, horizon: Horizon) -> Loaded:
    """The inventory in these bytes; raises `ConfigurationError` with every mistake."""
    return examine(snapshot, horizon).result()


@dataclass(frozen=True, slots=True)
class Examined:
    """What came of these bytes: an inventory, or mistakes; and the files they name, readable or not.

    `ended` is what is said to be inactive in so many words, as `person:ID`, `agent:ID` or `process:ID`: that counts
    even beside mistakes. Who is merely no longer there is a mistake while something names them: entries move between
    files, and a half-done edit is no word on anybody.
    """

    loaded: Loaded | None
    mistakes: tuple[Mistake, ...]
    named: frozenset[Path]
    ended: frozenset[str] = frozenset()

    def result(self) -> Loaded:
        """The inventory; raises `ConfigurationError` with every mistake."""
        if self.loaded is None or self.mistakes:
            raise ConfigurationError(self.mistakes)
        return self.loaded


def examine(snapshot: Snapshot, horizon: Horizon) -> Examined:
    """Reads and judges these bytes, and the documents that services name. Paths in the result are absolute."""
    reading = read_entries(snapshot)
    mistakes = reading.mistakes
    if reading.complete:
        mistakes.extend(dangling(reading))
    for entry in reading.services.values():
        mistakes.extend(wrong_destination(entry))
        mistakes.extend(wrong_client_keys(entry))
    for agent in reading.agents.values():
        mistakes.extend(wrong_client_keys(agent))
    mistakes.extend(overlapping(reading.services.values()))
    mistakes.extend(put_off(reading, horizon))
    referenced = _referenced(reading)
    named = frozenset(path for _, _, path in _named_files(reading))
    if mistakes:
        return Examined(None, tuple(mistakes), named, frozenset(_ended(reading)))
    inventory = Inventory(
        version=_version(reading, referenced),
        people={name: entry.fact for name, entry in reading.people.items()},
        teams={name: entry.fact for name, entry in reading.teams.items()},
        agents={name: entry.fact for name, entry in reading.agents.items()},
        services={name: _absolute(entry) for name, entry in reading.services.items()},
        datasets={name: entry.fact for name, entry in reading.datasets.items()},
        processes={name: entry.fact for name, entry in reading.processes.items()},
        partners={name: entry.fact for name, entry in reading.partners.items()},
    )
    return Examined(Loaded(inventory, Snapshot(snapshot.own, referenced), reading), (), named)


def _ended(reading: Reading) -> Iterator[str]:
    yield from (f"person:{name}" for name, entry in reading.people.items() if not entry.fact.active)
    yield from (f"agent:{name}" for name, entry in reading.agents.items() if not entry.fact.enabled)
    yield from (f"process:{name}" for name, entry in reading.processes.items() if not entry.fact.enabled)


def _referenced(reading: Reading) -> dict[Path, bytes]:
    """The files that services name, by absolute path. One that cannot be read is a mistake of its service."""
    files: dict[Path, bytes] = {}
    for entry, field, path in _named_files(reading):
        found: list[Mistake] = []
        files.update(read_referenced([path], found))
        reading.mistakes.extend(entry.mistake(f"`{shown(path)}` {mistake.text}", field) for mistake in found)
        if field == "ca_bundle" and path in files and b"-----BEGIN CERTIFICATE-----" not in files[path]:
            reading.mistakes.append(entry.mistake(f"`{shown(path)}` holds no PEM certificate", field))
    return files


def _named_files(reading: Reading) -> Iterator[tuple[Entry[Service], str, Path]]:
    for entry in reading.services.values():
        if entry.fact.openapi is not None:
            yield entry, "openapi", entry.path(entry.fact.openapi)
        if entry.fact.ca_bundle is not None:
            yield entry, "ca_bundle", entry.path(entry.fact.ca_bundle)


def _absolute(entry: Entry[Service]) -> Service:
    service = entry.fact
    return service.model_copy(
        update={
            "openapi": None if service.openapi is None else str(entry.path(service.openapi)),
            "ca_bundle": None if service.ca_bundle is None else str(entry.path(service.ca_bundle)),
            "bindings": tuple(_absolute_files(entry, binding) for binding in service.bindings),
        }
    )


def _absolute_files(entry: Entry[Service], binding: AnyBinding) -> AnyBinding:
    """The binding with the files of its secrets, and of the authorities it trusts, wherever we were started."""
    changed = {
        field: f"file:{entry.path(reference.removeprefix('file:'))}"
        for field, reference in binding.references.items()
        if reference.startswith("file:")
    }
    if isinstance(binding, Obtained) and binding.ca_bundle is not None:
        changed["ca_bundle"] = str(entry.path(binding.ca_bundle))
    return binding.model_copy(update=changed) if changed else binding


def _version(reading: Reading, referenced: dict[Path, bytes]) -> str:
    """The same wherever the files lie and however the entries are spread over them; any other change differs."""
    content: dict[str, object] = {
        section: {name: entry.fact.model_dump(mode="json") for name, entry in getattr(reading, section).items()}
        for section in SECTIONS
    }
    content["files"] = [
        [entry.fact.id, field, hashlib.sha256(referenced[path]).hexdigest()]
        for entry, field, path in sorted(_named_files(reading), key=lambda named: (named[0].fact.id, named[1]))
    ]
    return "sha256:" + hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
