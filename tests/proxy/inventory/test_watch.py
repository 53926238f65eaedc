"""Replacement of the inventory as a whole, or not at all."""

import asyncio
import shutil
from pathlib import Path

import pytest

from proxy.errors import ConfigurationError, Mistake
from proxy.inventory.load import Examined
from proxy.inventory.watch import RESTLESS, InventorySource
from tests.fakes.inventories import AGENTS, PEOPLE, SERVICES, write_inventory

NO_OWNER = AGENTS.replace("    owner: alice\n", "")


class Told:
    """Remembers what a source told, in order; `refusal` makes the listener refuse a new inventory."""

    def __init__(self, path: Path) -> None:
        self.source = InventorySource(path)
        self.events: list[tuple[str, object]] = []
        self.examined: list[Examined] = []
        self.refusal: Exception | None = None

    async def on_examined(self, examined) -> None:
        self.examined.append(examined)

    async def on_change(self, loaded) -> None:
        self.events.append(("change", self.source.current.version))
        if self.refusal:
            raise self.refusal

    async def on_mistakes(self, mistakes) -> None:
        self.events.append(("mistakes", len(mistakes)))

    def polls(self, times: int = 3) -> list[str]:
        """Polls so often, and gives the kinds of what was told since."""

        async def poll() -> None:
            for _ in range(times):
                await self.source.poll(self.on_examined, self.on_change, self.on_mistakes)

        before = len(self.events)
        asyncio.run(poll())
        return [f"{kind} {what}" if kind == "mistakes" else kind for kind, what in self.events[before:]]

    @property
    def owner(self) -> str | None:
        return self.source.current.agents["support-bot"].owner


def test_there_must_be_a_good_inventory_to_begin_with(tmp_path):
    """Nothing is served on nothing: the first load raises every mistake."""
    with pytest.raises(ConfigurationError):
        InventorySource(tmp_path / "none")


def test_an_edit_is_in_force_after_two_polls(tmp_path):
    """The first poll sees it, the second finds it settled; the old one is in force until the listener agreed."""
    told = Told(write_inventory(tmp_path))
    old = told.source.current.version
    assert told.polls() == []
    write_inventory(tmp_path, agents=NO_OWNER)
    assert told.polls(1) == []
    assert told.owner == "alice"
    assert told.polls(1) == ["change"]
    assert told.events == [("change", old)]
    assert told.owner is None
    assert told.polls() == []


def test_a_file_that_is_still_being_written_is_not_used(tmp_path):
    """Content that differs between two polls is not judged, even if each half would be valid by itself."""
    told = Told(write_inventory(tmp_path))
    agents = tmp_path / "agents.yaml"
    for size in (0, 40, len(NO_OWNER)):
        agents.write_text(NO_OWNER[:size])
        assert told.polls(1) == []
        assert told.owner == "alice"
    assert told.polls(1) == ["change"]


def test_a_bad_edit_keeps_the_last_good_one_and_says_so_once(tmp_path):
    """Mistakes in one file keep even the good edits of the others out; the mending is told too."""
    told = Told(write_inventory(tmp_path))
    write_inventory(tmp_path, agents=NO_OWNER, people=PEOPLE + "x: 1\n")
    assert told.polls(5) == ["mistakes 1"]
    assert told.owner == "alice"
    write_inventory(tmp_path, agents=NO_OWNER)
    assert told.polls(5) == ["change", "mistakes 0"]
    assert told.owner is None


def test_taking_a_bad_edit_back_is_told_without_a_change(tmp_path):
    """When the files are again as they are in force, the trouble is over and nothing else happens."""
    told = Told(write_inventory(tmp_path))
    write_inventory(tmp_path, people="people: [")
    assert told.polls() == ["mistakes 1"]
    write_inventory(tmp_path)
    assert told.polls() == ["mistakes 0"]


def test_a_deleted_or_emptied_directory_keeps_the_last_good_one(tmp_path):
    """Losing the files is loud, and not a way to a different inventory."""
    folder = write_inventory(tmp_path / "inventory")
    told = Told(folder)
    shutil.rmtree(folder)
    assert told.polls() == ["mistakes 1"]
    folder.mkdir()
    assert told.polls() == ["mistakes 1"]
    assert told.owner == "alice"
    write_inventory(folder)
    assert told.polls() == ["mistakes 0"]


def test_a_comment_is_no_change(tmp_path):
    """Bytes that mean the same are taken up without a word."""
    told = Told(write_inventory(tmp_path))
    write_inventory(tmp_path, people="# hello\n" + PEOPLE)
    assert told.polls() == []


def test_a_named_document_is_watched_too_and_awaited_when_missing(tmp_path):
    """An OpenAPI document that arrives, or changes, after the inventory that names it is noticed."""
    told = Told(write_inventory(tmp_path))
    write_inventory(tmp_path, services=SERVICES.replace("    trust", "    openapi: crm.json\n    trust"))
    assert told.polls(6) == ["mistakes 1"]
    (tmp_path / "crm.json").write_text("{}")
    assert told.polls(6) == ["change", "mistakes 0"]
    (tmp_path / "crm.json").write_text("{ }")
    assert told.polls(6) == ["change"]
    assert told.source.loaded.openapi(told.source.current.services["crm"]) == b"{ }"


def test_the_listener_may_refuse_a_new_inventory(tmp_path):
    """If the policies do not fit the new inventory, the old one stays in force until it is reconsidered."""
    told = Told(write_inventory(tmp_path))
    told.refusal = ConfigurationError([Mistake("a.cedar", 1, "", "names an agent that is gone")])
    write_inventory(tmp_path, agents=NO_OWNER)
    assert told.polls(5) == ["change", "mistakes 1"]
    assert told.owner == "alice"
    told.refusal = None
    assert told.polls() == []
    told.source.reconsider()
    assert told.polls() == ["change", "mistakes 0"]
    assert told.owner is None


def test_a_failure_of_the_listener_is_tried_again(tmp_path):
    """If a change or a mistake cannot be taken (the audit log is full), it is not forgotten."""
    told = Told(write_inventory(tmp_path))
    told.refusal = OSError("full")
    write_inventory(tmp_path, agents=NO_OWNER)
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            told.polls(2)
    assert told.owner == "alice"
    told.refusal = None
    assert told.polls(1) == ["change"]
    assert told.owner is None


def test_mistakes_that_could_not_be_told_are_told_later(tmp_path):
    """A bad edit is not silent only because the first attempt to say so failed."""
    told = Told(write_inventory(tmp_path))
    write_inventory(tmp_path, people="people: [")

    async def fail(_mistakes) -> None:
        raise OSError("full")

    async def poll() -> None:
        await told.source.poll(told.on_examined, told.on_change, fail)
        await told.source.poll(told.on_examined, told.on_change, fail)

    with pytest.raises(OSError, match="full"):
        asyncio.run(poll())
    assert told.polls() == ["mistakes 1"]


def test_replacing_a_symbolic_link_is_an_edit(tmp_path):
    """A mounted configuration map swaps a link; the content behind it counts."""
    one, two = write_inventory(tmp_path / "one"), write_inventory(tmp_path / "two", agents=NO_OWNER)
    link = tmp_path / "current"
    link.symlink_to(one)
    told = Told(link)
    fresh = tmp_path / "fresh"
    fresh.symlink_to(two)
    fresh.replace(link)
    assert told.polls() == ["change"]
    assert told.owner is None


def test_what_files_say_to_be_inactive_is_told_beside_mistakes(tmp_path):
    """In so many words: who is merely no longer there is not told to have left, and nobody is where all is well."""
    told = Told(write_inventory(tmp_path))
    inactive = PEOPLE.replace("name: Alice Adams", "name: Alice Adams\n    active: false")
    write_inventory(tmp_path, people=inactive + "x: 1\n")
    assert told.polls() == ["mistakes 1"]
    assert (told.examined[-1].loaded, told.examined[-1].ended) == (None, {"person:alice", "person:bob"})
    write_inventory(tmp_path, people="x: 1\n")
    told.polls()
    assert told.examined[-1].ended == frozenset()
    write_inventory(tmp_path, people=inactive)
    assert told.polls() == ["change", "mistakes 0"]
    assert told.examined[-1].ended == frozenset()


def test_it_waits_for_what_it_has_seen_and_not_judged(tmp_path):
    """So that whoever polls it comes again soon; and it names the places to look at."""
    told = Told(write_inventory(tmp_path))
    assert not told.source.waiting
    write_inventory(tmp_path, agents=NO_OWNER)
    told.polls(1)
    assert told.source.waiting
    told.polls(1)
    assert not told.source.waiting
    assert list(told.source.places()) == [tmp_path]


def test_a_file_that_changes_all_the_time_is_told_and_hides_no_end(tmp_path):
    """Others say who is inactive, and the one is a mistake, once; what it says when it comes to rest is in force."""
    path = write_inventory(tmp_path)
    told = Told(path)
    restless = path / "zz.yaml"
    (path / "people.yaml").write_text(PEOPLE.replace("name: Alice Adams", "name: Alice Adams\n    active: false"))
    events = []
    for number in range(RESTLESS * 3):
        restless.write_text(f"# {number}\n")
        events += told.polls(1)
    assert events == ["mistakes 1"]
    assert [examined.ended for examined in told.examined] == [{"person:alice", "person:bob"}] * 3
    assert told.source.current.people["alice"].active
    assert told.source.waiting
    assert told.polls() == ["change", "mistakes 0"]
    assert not told.source.current.people["alice"].active
    assert not told.source.waiting


def test_a_file_that_is_read_for_a_service_may_change_all_the_time_as_little(tmp_path):
    """What is read while it changes is not used, though the inventory's own files are whole."""
    path = write_inventory(tmp_path)
    bundle = path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----")
    (path / "services.yaml").write_text(SERVICES.replace("    owner:", "    ca_bundle: ca.pem\n    owner:", 1))
    told = Told(path)
    events = []
    for number in range(RESTLESS * 2):
        bundle.write_text(f"-----BEGIN CERTIFICATE-----{number}")
        events += told.polls(1)
    assert events == ["mistakes 1"]
    assert told.polls() == ["change", "mistakes 0"]
