"""Sources elsewhere: what they last said well outlives them, and what they say badly changes nothing."""

import asyncio
import json
import os
from collections.abc import Iterator

import httpx
import pytest
import respx

from proxy.app import sources as module
from proxy.app.core import open_core
from proxy.app.sources import SourceWatch, fetch, first_documents, folder
from proxy.errors import ConfigurationError, CountersignError
from proxy.settings import InventorySource
from tests.fakes.serving import configured
from tests.fakes.waiting import until

URL = "https://cmdb.test/agents.json"
GOOD = {"people": [{"id": "zoe", "name": "Zoe"}]}
TWICE = {"people": [{"id": "alice", "name": "Another Alice"}]}


def source(**more) -> InventorySource:
    return InventorySource(**({"id": "cmdb", "url": URL} | more))


@pytest.fixture
def cmdb() -> Iterator[respx.Route]:
    """What answers at the source's URL."""
    with respx.mock() as mocked:
        yield mocked.get(URL).respond(json=GOOD)


def test_a_source_is_asked_with_its_token_and_nothing_else(cmdb, monkeypatch):
    """By reference, in a header; no cookie, no encoding."""
    monkeypatch.setenv("CMDB", "cmdb-token-0815")
    assert json.loads(asyncio.run(fetch(source(token="env:CMDB")))) == GOOD
    headers = cmdb.calls.last.request.headers
    assert headers["authorization"] == "Bearer cmdb-token-0815"
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(500), "it answered 500"),
        (httpx.Response(302, headers={"location": "https://evil.test"}), "it answered 302"),
        (httpx.Response(204), "it answered 204"),
        (httpx.ConnectError("no"), "no answer: ConnectError"),
        (httpx.ReadTimeout("no"), "no answer: ReadTimeout"),
    ],
)
def test_a_source_that_does_not_answer_is_said_to(cmdb, answer, said):
    """A redirect is no answer: nobody points us elsewhere."""
    cmdb.side_effect = [answer]
    with pytest.raises(CountersignError, match=said):
        asyncio.run(fetch(source()))


def test_a_source_that_does_not_end_is_left(cmdb):
    """What is read is bounded; the rest judges that it is too large."""
    cmdb.respond(content=b" " * (module.MAX_BYTES + 100_000))
    assert len(asyncio.run(fetch(source()))) > module.MAX_BYTES


def test_a_token_or_a_file_that_is_not_there_is_said(tmp_path, monkeypatch):
    """And it is not asked without."""
    monkeypatch.delenv("CMDB", raising=False)
    with pytest.raises(CountersignError, match="its token cannot be read"):
        asyncio.run(fetch(source(token="env:CMDB")))
    with pytest.raises(CountersignError, match="it cannot be read"):
        asyncio.run(fetch(source(url=None, file=tmp_path / "none.json")))


def from_file(tmp_path, **more):
    """Settings with one source, a file."""
    return configured(tmp_path, more="inventory_sources:\n  - {id: cmdb, file: cmdb.json, every_seconds: 1}\n", **more)


def test_what_a_source_says_first_is_in_force_from_the_start(tmp_path):
    """And it is kept: the next start needs no source."""
    settings = from_file(tmp_path)
    (tmp_path / "cmdb.json").write_text(json.dumps(GOOD))

    async def main():
        async with open_core(settings) as core:
            assert "zoe" in core.inventory().people
        (tmp_path / "cmdb.json").unlink()
        async with open_core(settings) as core:
            assert "zoe" in core.inventory().people

    asyncio.run(main())


def test_what_never_was_in_force_is_not_kept(tmp_path):
    """A first document that does not fit refuses the start, says why, and leaves nothing behind."""
    settings = from_file(tmp_path)
    (tmp_path / "cmdb.json").write_text(json.dumps(TWICE))

    async def main():
        with pytest.raises(ConfigurationError, match="is here again, first in"):
            async with open_core(settings):
                pass
        assert list(folder(settings).iterdir()) == []
        (tmp_path / "cmdb.json").unlink()
        async with open_core(settings) as core:
            assert "zoe" not in core.inventory().people

    asyncio.run(main())


def test_what_is_kept_must_be_within_what_the_settings_let_it_say(tmp_path):
    """Taking a section away from a source does not leave it in force."""
    settings = from_file(tmp_path)
    (tmp_path / "cmdb.json").write_text(json.dumps(GOOD))
    asyncio.run(first_documents(settings))
    narrower = settings.inventory_sources[0].model_copy(update={"sections": ("teams",)})
    with pytest.raises(ConfigurationError, match="people: is not among the `sections` of this source"):
        asyncio.run(first_documents(settings.model_copy(update={"inventory_sources": (narrower,)})))


def test_a_source_is_followed(tmp_path):
    """Good news comes into force on record; bad news, and silence, change nothing and are told once."""
    settings, records = from_file(tmp_path), []
    file = tmp_path / "cmdb.json"

    async def record(one):
        records.append((one["type"], one["change"]["what"]))

    async def main():
        async with open_core(settings) as core:
            health = core.source_health
            watch = SourceWatch(settings.inventory_sources[0], core.documents, health, record, core.clock)
            troubles = []
            for said in (None, None, json.dumps(GOOD), json.dumps(GOOD), "{", json.dumps(TWICE), json.dumps(GOOD)):
                file.write_text(said) if said else file.unlink(missing_ok=True)
                await watch.look()
                troubles.append(health.troubles()["cmdb"])
            assert troubles == [1, 1, 0, 0, 1, 1, 0]
            await until(lambda: "zoe" in core.inventory().people)
            assert core.inventory().people["alice"].name == "Alice Archer"

    asyncio.run(main())
    what = "inventory:cmdb"
    assert records == [
        ("config.mistake", what), ("inventory.received", what), ("config.mistake", what), ("config.mistake", what),
    ]  # fmt: skip


@pytest.mark.parametrize(("more", "age"), [({}, 0), ({"silent_after_seconds": 3600}, 7200)])
def test_a_file_that_nobody_writes_any_more_is_old(tmp_path, more, age):
    """Where it should come again and again it counts from when it was written; else it is enough that it is there."""
    settings, now = from_file(tmp_path), 1_795_000_000.0
    file = tmp_path / "cmdb.json"
    file.write_text(json.dumps(GOOD))
    os.utime(file, (now - 7200, now - 7200))
    followed = settings.inventory_sources[0].model_copy(update=more)
    settings = settings.model_copy(update={"inventory_sources": (followed,)})

    async def main():
        async with open_core(settings, lambda: now) as core:
            watch = SourceWatch(followed, core.documents, core.source_health, core.recorder.append, core.clock)
            await watch.look()
            assert core.source_health.ages() == {"cmdb": age}

    asyncio.run(main())
