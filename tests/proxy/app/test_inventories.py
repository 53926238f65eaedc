"""The inventory in force, with who said what."""

import asyncio
import json

import pytest

from proxy.app.core import open_core
from proxy.app.inventories import InventoriesInForce
from proxy.errors import StoreUnavailable
from tests.fakes.serving import configured
from tests.fakes.waiting import until

SOURCES = "inventory_sources:\n  - {id: cmdb}\n"
DOCUMENT = json.dumps({"people": [{"id": "zoe", "name": "Zoe"}]}).encode()


def test_a_document_is_in_force_with_its_source(tmp_path):
    """Kept, seen by the keeper, shown with its place; and still there after a restart."""
    settings = configured(tmp_path, more=SOURCES)

    async def told(source, digest):
        assert (source, digest[:7]) == ("cmdb", "sha256:")

    async def main():
        async with open_core(settings) as core:
            inventories = InventoriesInForce(core.keeper, core.documents, core.source_health)
            assert {one.source for one in inventories.entries()} == {""}
            assert await inventories.accept("cmdb", DOCUMENT, told) == ()
            await until(lambda: "zoe" in core.inventory().people)
            (zoe,) = [one for one in inventories.entries() if one.id == "zoe"]
            assert (zoe.section, zoe.source, zoe.place.endswith("cmdb.json:1")) == ("people", "cmdb", True)
            assert inventories.kept()[0].bytes == len(DOCUMENT)
        async with open_core(settings) as core:
            assert "zoe" in core.inventory().people

    asyncio.run(main())


def test_what_cannot_be_told_is_not_kept(tmp_path):
    """Then nothing has changed."""

    async def told(source, digest):
        raise StoreUnavailable("full")

    async def main():
        async with open_core(configured(tmp_path, more=SOURCES)) as core:
            inventories = InventoriesInForce(core.keeper, core.documents, core.source_health)
            with pytest.raises(StoreUnavailable):
                await inventories.accept("cmdb", DOCUMENT, told)
            assert inventories.kept()[0].digest == ""

    asyncio.run(main())


def test_what_is_brought_says_how_its_source_is(tmp_path):
    """A document with mistakes makes its source wrong, a good one mends it, and the same again is a sign of life."""

    async def main():
        now = [1_795_000_000.0]
        async with open_core(configured(tmp_path, more=SOURCES), lambda: now[0]) as core:
            health = core.source_health
            inventories = InventoriesInForce(core.keeper, core.documents, health)

            async def told(*_):
                pass

            for raw, wrong in ((b"{", 1.0), (DOCUMENT, 0.0), (DOCUMENT, 0.0)):
                now[0] += 10
                await inventories.accept("cmdb", raw, told)
                assert (health.troubles()["cmdb"], health.ages()["cmdb"]) == (wrong, 10 * wrong)

    asyncio.run(main())
