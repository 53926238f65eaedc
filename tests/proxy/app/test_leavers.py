"""People who vanish from a document that is a mistake: gone at once, told, and still gone after a restart."""

import asyncio
import json

import pytest

from policies.model import Json
from proxy.app.core import Core, open_core
from proxy.app.leavers import SourceLeavers
from proxy.app.sources import document_paths
from proxy.errors import CountersignError, StoreUnavailable
from telemetry.errors import AuditUnavailable
from tests.fakes.serving import configured
from tests.fakes.waiting import until

SOURCES = "inventory_sources:\n  - {id: cmdb}\n"
FACTS = {"purpose": "p", "expires": "2099-01-01", "review_due": "2099-01-01"}
BOT = {"id": "zoe-bot", "owner": "zoe", **FACTS}


def document(*people: str, **more: Json) -> bytes:
    return json.dumps({"people": [{"id": name, "name": name} for name in people], "agents": [BOT]} | more).encode()


GOOD = document("zoe", "yan")
BAD = document("yan", agents=[BOT, {"id": "x", "technical_owner": "zoe", **FACTS}])  # names who is gone


async def told(source: str, digest: str) -> None:
    """What is kept is of no interest here."""


async def accepted(core: Core, raw: bytes) -> list[str]:
    return [str(one) for one in await core.documents.accept("cmdb", raw, told)]


def active(core: Core, person: str = "zoe") -> bool:
    known = core.inventory().people.get(person)
    return known is not None and known.active


async def begin(core: Core) -> None:
    assert await accepted(core, GOOD) == []
    await until(lambda: active(core))


def test_who_vanishes_is_deactivated_although_the_document_is_a_mistake(tmp_path) -> None:
    """When `accept` returns, and after a restart; until the source says again what is kept."""
    settings = configured(tmp_path, more=SOURCES)

    async def main() -> None:
        async with open_core(settings) as core:
            await begin(core)
            mistakes = await accepted(core, BAD)
            assert "`zoe` is not a person in the inventory" in mistakes[0]
            assert "people[zoe]: has left by this document" in mistakes[-1]
            assert (active(core), active(core, "yan")) == (False, True)
            assert core.inventory().left == {"zoe"}
        async with open_core(settings) as core:
            assert not active(core)
            assert await accepted(core, GOOD) == []
            assert active(core)
        async with open_core(settings) as core:
            assert active(core)

    asyncio.run(main())


def test_a_newer_document_ends_what_an_older_one_said(tmp_path) -> None:
    """A whole document in which they are brings them back, and one in which they are not needs them no more."""

    async def main() -> None:
        async with open_core(configured(tmp_path, more=SOURCES)) as core:
            await begin(core)
            await accepted(core, BAD)
            assert await accepted(core, document("zoe", "yan", "ann")) == []
            await until(lambda: active(core) and active(core, "ann"))
            await accepted(core, document("zoe", "ann", teams=[{"id": "t"}, {"id": "t"}]))
            assert (active(core), active(core, "yan")) == (True, False)
            assert await accepted(core, document("ann", "yan", "bea")) == []
            await until(lambda: "zoe" not in core.inventory().people)
            assert active(core, "yan")

    asyncio.run(main())


def test_who_came_back_stays(tmp_path) -> None:
    """A document that names them as the one before did ends nobody, not even until it is in force."""

    async def main() -> None:
        async with open_core(configured(tmp_path, more=SOURCES)) as core:
            await begin(core)
            await accepted(core, BAD)
            assert await accepted(core, GOOD) == []
            await until(lambda: active(core))
            seen: list[bool] = []
            depart = core.keeper.depart
            core.keeper.depart = lambda left: (depart(left), seen.append(active(core)))  # type: ignore[method-assign]
            assert await accepted(core, document("zoe", "yan", "ann")) == []
            assert active(core)
            assert all(seen)
            await until(lambda: active(core, "ann"))

    asyncio.run(main())


class Log:
    """Takes records, unless it is full."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.full = False

    async def __call__(self, record: object) -> None:
        if self.full:
            raise AuditUnavailable("full")
        assert isinstance(record, dict)
        self.records.append(f"{record['type']} {record['change']['what']} {record['change']['details'][0]}")


def test_leaving_waits_for_no_log_and_is_told_once(tmp_path) -> None:
    """In force though the log is full; told when it works again, and not with each look at the same document."""
    settings = configured(tmp_path, more=SOURCES)
    (path,) = document_paths(settings)

    async def main() -> None:
        async with open_core(settings) as core:
            await begin(core)
            log = Log()
            leavers = SourceLeavers(core.keeper, log, core.clock)
            log.full = True
            with pytest.raises(AuditUnavailable):
                await leavers.tell(path, None, frozenset({"zoe"}))
            assert not active(core)
            log.full = False
            for people in ({"zoe"}, {"zoe"}, {"yan"}):
                await leavers.tell(path, None, frozenset(people))
            assert log.records == [
                "person.deactivated person:zoe source=inventory:cmdb",
                "person.deactivated person:yan source=inventory:cmdb",
            ]
            assert json.loads(path.with_suffix(".left").read_bytes()) == ["yan", "zoe"]

    asyncio.run(main())


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b'["zoe"'])
def test_what_cannot_be_read_refuses_the_start(tmp_path, raw: bytes) -> None:
    """Nobody comes back because a file is damaged."""
    settings = configured(tmp_path, more=SOURCES)
    (path,) = document_paths(settings)

    async def main() -> None:
        async with open_core(settings) as core:
            await begin(core)
        path.with_suffix(".left").write_bytes(raw)
        with pytest.raises(CountersignError, match=r"cmdb\.left"):
            async with open_core(settings):
                pass

    asyncio.run(main())


def test_a_disk_that_takes_nothing_is_said_and_they_are_gone(tmp_path) -> None:
    """Only a restart would bring them back, until the source is heard again."""
    settings = configured(tmp_path, more=SOURCES)

    async def main() -> None:
        async with open_core(settings) as core:
            await begin(core)
            (tmp_path / "file").write_text("")
            leavers = SourceLeavers(core.keeper, Log(), core.clock)
            with pytest.raises(StoreUnavailable, match="cannot be written"):
                await leavers.tell(tmp_path / "file" / "cmdb.json", None, frozenset({"zoe"}))
            assert not active(core)

    asyncio.run(main())
