"""Bytes into inventory entries, each of which remembers where it is written."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from proxy.documents import Document, nearest, read_tree, shown, validate
from proxy.errors import Mistake
from proxy.facts import Agent, Dataset, Partner, Person, Process, Service, Team
from proxy.inventory.files import Snapshot

SECTIONS = ("people", "teams", "agents", "services", "datasets", "processes", "partners")

type Fact = Person | Team | Agent | Service | Dataset | Process | Partner


@dataclass(frozen=True, slots=True)
class Entry[F: Fact = Fact]:
    """One fact and its place. `folder` is where its relative paths start."""

    fact: F
    document: Document
    at: tuple[str | int, ...]
    folder: Path

    def mistake(self, text: str, *inner: str | int) -> Mistake:
        return self.document.mistake((*self.at, *inner), text)

    @property
    def place(self) -> str:
        return f"{self.document.file}:{self.document.line(self.at)}"

    def path(self, text: str) -> Path:
        """A path that this entry names, absolute; symbolic links are left as they are."""
        return Path(os.path.abspath(self.folder / text))  # noqa: PTH100 - `resolve` would follow links


@dataclass(slots=True)
class Reading:
    """All that was read. `claimed` has every id that is written, even where the entry itself is wrong."""

    people: dict[str, Entry[Person]] = field(default_factory=dict)
    teams: dict[str, Entry[Team]] = field(default_factory=dict)
    agents: dict[str, Entry[Agent]] = field(default_factory=dict)
    services: dict[str, Entry[Service]] = field(default_factory=dict)
    datasets: dict[str, Entry[Dataset]] = field(default_factory=dict)
    processes: dict[str, Entry[Process]] = field(default_factory=dict)
    partners: dict[str, Entry[Partner]] = field(default_factory=dict)
    claimed: dict[str, dict[str, str]] = field(default_factory=lambda: {section: {} for section in SECTIONS})
    complete: bool = True
    mistakes: list[Mistake] = field(default_factory=list)


def read_entries(snapshot: Snapshot) -> Reading:
    """The entries of all files, merged. An id that is there twice is a mistake which names both places."""
    reading = Reading(mistakes=list(snapshot.mistakes), complete=not snapshot.mistakes)
    for path, raw in snapshot.own.items():
        document = read_tree(raw, shown(path), reading.mistakes)
        if document is None:
            reading.complete = False
            continue
        _unknown_sections(document, reading.mistakes)
        folder = path.parent
        _section(reading, document, folder, "people", Person, reading.people)
        _section(reading, document, folder, "teams", Team, reading.teams)
        _section(reading, document, folder, "agents", Agent, reading.agents)
        _section(reading, document, folder, "services", Service, reading.services)
        _section(reading, document, folder, "datasets", Dataset, reading.datasets)
        _section(reading, document, folder, "processes", Process, reading.processes)
        _section(reading, document, folder, "partners", Partner, reading.partners)
    return reading


def _unknown_sections(document: Document, mistakes: list[Mistake]) -> None:
    if document.data.keys() & {"openapi", "swagger"}:
        mistakes.append(document.mistake((), "is an OpenAPI document; keep those in a folder of their own"))
        return
    mistakes.extend(
        document.mistake((name,), f"is not a section of an inventory{nearest(name, SECTIONS)}")
        for name in document.data
        if name not in SECTIONS
    )


def _section[F: Fact](
    reading: Reading, document: Document, folder: Path, section: str, model: type[F], into: dict[str, Entry[F]]
) -> None:
    items = document.data.get(section)
    if items is None:
        return
    if not isinstance(items, list):
        reading.mistakes.append(document.mistake((section,), "must be a list: each entry after `- id: ...`"))
        reading.complete = False
        return
    claimed = reading.claimed[section]
    for index, item in enumerate(items):
        at = (section, index)
        name = item.get("id") if isinstance(item, dict) else None
        if isinstance(name, str) and name in claimed:
            text = f"`{name}` is here again, first in {claimed[name]}; keep one"
            reading.mistakes.append(document.mistake((*at, "id"), text))
        fact = validate(document, model, reading.mistakes, at)
        if isinstance(name, str):
            claimed.setdefault(name, f"{document.file}:{document.line((*at, 'id'))}")
        if fact is not None:
            into.setdefault(fact.id, Entry(fact, document, at, folder))
