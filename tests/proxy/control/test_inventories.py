"""The whole inventory, for those who may see it; and documents that the operator brings."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.control.api import create_api
from proxy.control.door import Door
from proxy.control.needs import Written
from proxy.errors import Mistake
from proxy.inventory.documents import Documents
from tests.fakes.control_house import House

GOOD = {"people": [{"id": "zoe", "name": "Zoe"}]}


class Sources(Documents):
    """An `Inventories` of one source, `cmdb`, whose documents are judged as the test says."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {"cmdb": ("people",)}, self._judged, self._departed)
        self.mistakes: tuple[Mistake, ...] = ()

    async def _judged(self, _: Any) -> tuple[Mistake, ...]:
        return self.mistakes

    async def _departed(self, *_: Any) -> None:
        pass

    def entries(self) -> list[Written]:
        return [Written("people", "zoe", "cmdb.json:1", "cmdb")]


class SourceHouse(House):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sources = Sources(folder / "inventory")
        self.deps = replace(self.deps, inventories=self.sources)
        self.app = create_api(self.deps, Door(self.deps, self.feed))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SourceHouse]:
    made = SourceHouse(tmp_path)
    yield made
    made.close()


def test_auditors_and_the_operator_see_where_each_entry_comes_from(house: SourceHouse) -> None:
    """Others do not; who is inactive is named."""

    async def scenario() -> None:
        async with await house.person("carol") as carol, house.operator() as operator:
            for client in (carol, operator):
                told = (await client.get("/v1/inventory")).json()
                assert told["entries"] == [{"section": "people", "id": "zoe", "place": "cmdb.json:1", "source": "cmdb"}]
                assert told["sources"] == [{"source": "cmdb", "digest": "", "bytes": 0}]
                assert told["inactive"] == ["dave"]
        async with await house.person("alice") as alice:
            assert (await alice.get("/v1/inventory")).json()["code"] == "not_yours"

    asyncio.run(scenario())


def test_the_operator_brings_a_document(house: SourceHouse) -> None:
    """On record before it is kept; the same again changes nothing."""

    async def scenario() -> None:
        async with house.operator() as operator:
            answer = await operator.put("/v1/inventory/cmdb", json=GOOD)
            assert answer.status_code == 200, answer.text
            assert answer.json()["digest"].startswith("sha256:")
            assert (await operator.put("/v1/inventory/cmdb", json=GOOD)).json() == answer.json()
        (record,) = house.log.records
        assert (record["type"], record["change"]["what"]) == ("inventory.received", "inventory:cmdb")
        assert f"document={answer.json()['digest']}" in record["change"]["details"]

    asyncio.run(scenario())


def test_nobody_else_brings_one(house: SourceHouse) -> None:
    """Not an auditor, not by a token, and not for a source that the settings do not name."""

    async def scenario() -> None:
        async with await house.person("carol") as carol:
            assert (await carol.put("/v1/inventory/cmdb", json=GOOD)).json()["code"] == "operator_required"
        async with house.operator() as operator:
            for source in ("hr", "..", "%2e%2e%2fcmdb"):
                assert (await operator.put(f"/v1/inventory/{source}", json=GOOD)).status_code == 404
        assert house.log.records == []

    asyncio.run(scenario())


def test_a_bad_document_changes_nothing_and_says_why(house: SourceHouse) -> None:
    """Each mistake with its place; of another type, it is not even read; a full log keeps it out."""

    async def scenario() -> None:
        async with house.operator() as operator:
            house.sources.mistakes = (Mistake("cmdb.json", 3, "people[zoe].id", "is here again"),)
            answer = await operator.put("/v1/inventory/cmdb", json=GOOD)
            assert (answer.status_code, answer.json()["code"]) == (422, "inventory_invalid")
            assert answer.json()["detail"] == "cmdb.json:3: people[zoe].id: is here again"
            plain = {"content-type": "text/plain"}
            assert (await operator.put("/v1/inventory/cmdb", content=b"{}", headers=plain)).status_code == 415
            house.sources.mistakes, house.log.broken = (), True
            assert (await operator.put("/v1/inventory/cmdb", json=GOOD)).status_code == 503
        assert house.sources.kept()[0].digest == ""

    asyncio.run(scenario())


def test_only_the_operator_may_send_much(house: SourceHouse) -> None:
    """An inventory may be four mebibytes, over the local socket alone; no other body becomes larger."""

    async def scenario() -> None:
        large = b'{"people": [' + b" " * 100_000 + b"]}"
        kind = {"content-type": "application/json"}
        async with house.operator() as operator:
            assert (await operator.put("/v1/inventory/cmdb", content=large, headers=kind)).status_code == 200
            assert (await operator.put("/v1/inventory/cmdb", content=b" " * (5 << 20), headers=kind)).status_code == 413
            assert (await operator.post("/v1/handles", content=large, headers=kind)).status_code == 413
        async with await house.person("carol") as carol:
            assert (await carol.put("/v1/inventory/cmdb", content=large, headers=kind)).status_code == 413

    asyncio.run(scenario())
