"""Documents from elsewhere: whole and good, or nothing changes."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.documents import read_tree
from proxy.errors import CountersignError, Mistake, StoreUnavailable
from proxy.inventory import documents as module
from proxy.inventory.documents import Documents, keep, prepared
from proxy.strict_json import loads

GOOD = b'{"people": [{"id": "alice", "name": "Alice"}]}'


class Judge:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.mistakes: tuple[Mistake, ...] = ()
        self.asked: list[dict[Path, bytes]] = []

    async def __call__(self, documents):
        self.asked.append(dict(documents))
        return self.mistakes


class Told:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[tuple[str, str]] = []

    async def __call__(self, source: str, digest: str) -> None:
        if self.error:
            raise self.error
        self.calls.append((source, digest))


async def nobody(path: Path, document: bytes | None, people: frozenset[str]) -> None:
    """Where who leaves is of no interest."""


def made(folder: Path, judge: Judge, on_departed=nobody) -> Documents:
    return Documents(folder, {"cmdb": ("people", "agents")}, judge, on_departed)


def test_a_good_document_is_kept_whole_after_it_was_told(tmp_path):
    """Judged, told, written with mode 0600; the same again changes and tells nothing."""
    judge, told = Judge(), Told()
    documents = made(tmp_path / "inventory", judge)
    assert [one.digest for one in documents.kept()] == [""]
    assert asyncio.run(documents.accept("cmdb", GOOD, told)) == ()
    path = tmp_path / "inventory" / "cmdb.json"
    assert path.read_bytes() == GOOD
    assert path.stat().st_mode & 0o777 == 0o600
    assert judge.asked == [{path: GOOD}]
    assert told.calls == [("cmdb", documents.kept()[0].digest)]
    assert asyncio.run(documents.accept("cmdb", GOOD, told)) == ()
    assert len(told.calls) == len(judge.asked) == 1
    assert documents.source_of(path) == "cmdb"
    assert documents.source_of(tmp_path / "cmdb.json") == ""


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "cmdb: cannot be read as JSON"),
        (b"people: []", "cmdb: cannot be read as JSON"),
        (b"[]", "cmdb: must be a JSON object"),
        (b'{"people": [], "people": []}', "cmdb: cannot be read as JSON"),
        (b"\xff\xfe", "cmdb: cannot be read as JSON"),
        (b'{"a": ' + b"[" * 99 + b"]" * 99 + b"}", "cmdb: cannot be read as JSON"),
        (b'{"services": []}', "cmdb: services: is not among the `sections` of this source in the settings"),
        (b" " * (module.MAX_BYTES + 1), "cmdb: is larger than 4194304 bytes"),
    ],
    ids=["empty", "YAML", "a list", "a name twice", "not text", "deep", "not its section", "huge"],
)
def test_what_cannot_be_used_is_said_and_changes_nothing(tmp_path, raw, said):
    """Not one byte is written, and nobody is asked to judge it."""
    judge = Judge()
    (mistake,) = asyncio.run(made(tmp_path, judge).accept("cmdb", raw, Told()))
    assert str(mistake).startswith(said)
    assert (list(tmp_path.iterdir()), judge.asked) == ([], [])


def test_what_is_judged_wrong_or_not_on_record_is_not_kept(tmp_path):
    """The last good document stays, byte for byte."""
    judge = Judge()
    documents = made(tmp_path, judge)
    asyncio.run(documents.accept("cmdb", GOOD, Told()))
    judge.mistakes = (Mistake("cmdb.json", 1, "agents[x]", "is here again"),)
    assert asyncio.run(documents.accept("cmdb", GOOD + b" ", Told())) == judge.mistakes
    judge.mistakes = ()
    with pytest.raises(StoreUnavailable):
        asyncio.run(documents.accept("cmdb", GOOD + b" ", Told(StoreUnavailable("full"))))
    assert [path.name for path in tmp_path.iterdir()] == ["cmdb.json"]
    assert (tmp_path / "cmdb.json").read_bytes() == GOOD


ALL = b'{"people": [{"id": "alice", "name": "A"}, {"id": "bob", "name": "B"}, {"id": "zoe", "name": "Z"}]}'
LESS = b'{"people": [{"id": "alice", "name": "A"}, {"id": "bob", "name": "B", "active": false}]}'


def test_who_vanishes_from_a_document_that_is_not_kept_has_left(tmp_path):
    """They are told beside its mistakes; said again or kept as a whole, the document is what counts."""
    told = []

    async def departed(path, document, people):
        told.append((path.name, document, set(people)))

    judge = Judge()
    documents = made(tmp_path, judge, departed)
    asyncio.run(documents.accept("cmdb", ALL, Told()))
    judge.mistakes = (Mistake("cmdb.json", 1, "agents[x]", "is here again"),)
    mistakes = asyncio.run(documents.accept("cmdb", LESS, Told()))
    assert [one.field for one in mistakes] == ["agents[x]", "people[bob]", "people[zoe]"]
    assert "is deactivated although the document is not in force" in mistakes[1].text
    assert (tmp_path / "cmdb.json").read_bytes() == ALL
    asyncio.run(documents.accept("cmdb", ALL, Told()))
    judge.mistakes = ()
    asyncio.run(documents.accept("cmdb", LESS, Told()))
    assert told == [
        ("cmdb.json", ALL, set()), ("cmdb.json", None, {"bob", "zoe"}), ("cmdb.json", ALL, set()),
        ("cmdb.json", LESS, set()),
    ]  # fmt: skip


@pytest.mark.parametrize("raw", [b"{}", b'{"people": []}', b'{"people": [{"id": "alice", "name": "A"}]}'])
def test_a_document_that_leaves_out_more_than_half_changes_nothing(tmp_path, raw):
    """Empty, or the first page of many: nobody is ended by it, and it is not even judged."""
    judge, told = Judge(), Told()
    documents = made(tmp_path, judge)
    asyncio.run(documents.accept("cmdb", ALL, told))
    (mistake,) = asyncio.run(documents.accept("cmdb", raw, told))
    assert "leaves out more than half at once is not believed" in mistake.text
    assert (tmp_path / "cmdb.json").read_bytes() == ALL
    assert len(judge.asked) == len(told.calls) == 1


def test_an_unknown_source_brings_nothing(tmp_path):
    """Not even under the name of a file elsewhere."""
    for source in ("hr", "../cmdb", ""):
        with pytest.raises(CountersignError, match="is none of the `inventory_sources`"):
            asyncio.run(made(tmp_path, Judge()).accept(source, GOOD, Told()))


def test_a_disk_that_takes_nothing_leaves_the_last(tmp_path):
    """It is said, and nothing half-written is left."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        keep(blocked / "cmdb.json", GOOD)


def test_a_number_beyond_64_bits_is_no_failure(tmp_path):
    """It is written as it was said, for the judge to call it a mistake of its field."""
    judge = Judge()
    raw = b'{"people":\t[{"id": 123456789012345678901234567890}]}'
    assert asyncio.run(made(tmp_path, judge).accept("cmdb", raw, Told())) == ()
    assert loads(*judge.asked[0].values()) == loads(raw)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@example(value={"a": " \x85 \u2028\u2029\x0b\x0c"}, ascii_only=False, indent=None)
@example(value={"\x85": "\u2028"}, ascii_only=True, indent=2)
@given(
    value=st.dictionaries(_TEXT, _JSON, max_size=4), ascii_only=st.booleans(), indent=st.sampled_from([None, 2, "\t"])
)
def test_the_inventorys_reader_reads_what_json_says(value, ascii_only, indent):
    """Whatever is kept means to the reader of files what it meant as JSON, or is told as a mistake: never another."""
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    document, mistakes = prepared("cmdb", raw, module.SECTIONS)
    if document is None:
        assert mistakes
        return
    wrong: list[Mistake] = []
    read = read_tree(document, "f", wrong)
    assert wrong or (read is not None and read.data == loads(raw))
