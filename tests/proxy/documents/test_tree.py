"""YAML bytes into located data."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.documents import tree
from proxy.documents.tree import Document, read_bytes, read_tree, shown


def read(text: str | bytes) -> tuple[Document | None, list[str]]:
    mistakes = []
    document = read_tree(text if isinstance(text, bytes) else text.encode(), "f.yaml", mistakes)
    return document, [str(mistake) for mistake in mistakes]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0123", "0123"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("9" * 5000, "9" * 5000),
        ("2026-01-02", "2026-01-02"),
        ("'12'", "12"),
        ('"true"', "true"),
        ('"null"', "null"),
    ],
)
def test_scalars_mean_what_they_look_like(written, value):
    """Unquoted scalars follow YAML 1.2: none of the 1.1 surprises turns text into something else."""
    document, mistakes = read(f"key: {written}\n")
    assert not mistakes
    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null\n", "\ufeff# marked\n"])
def test_an_empty_file_is_an_empty_mapping(text):
    """A file without content holds nothing, and that is no mistake."""
    document, mistakes = read(text)
    assert (document.data, mistakes) == ({}, [])


def test_every_key_and_item_has_its_line():
    """The line of a key, of an item, and of the nearest thing around what is not written down."""
    document, _ = read("agents:\n  - id: a\n    labels: [x,\n      y]\n  # note\n  - id: b\n")
    lines = [("agents",), ("agents", 0), ("agents", 0, "labels", 1), ("agents", 1, "id"), ("agents", 1, "owner")]
    assert [document.line(at) for at in lines] == [1, 2, 4, 6, 6]
    assert document.field(("agents", 1, "owner")) == "agents[b].owner"
    assert document.field(("agents", 0, "labels", 1)) == "agents[a].labels[1]"
    assert document.value(("agents", 7, "id")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["f.yaml:3: `a` is here twice, first on line 1; keep one"]),
        ("a: &x 1\nb: *x\n", ["f.yaml:1: anchors (`&x`) are not supported; remove it",
                              "f.yaml:2: aliases (`*x`) are not supported; write the value out"]),
        ("a: !!python/object:os.system x\n",
         ["f.yaml:1: tags (`tag:yaml.org,2002:python/object:os.system`) are not supported; remove it"]),
        ("a:\n  <<: {b: 1}\n", ["f.yaml:2: merge keys (`<<`) are not supported; write the fields out"]),
        ("- a\n- b\n", ["f.yaml:1: must be `name: value` lines at the top"]),
        ("just words\n", ["f.yaml:1: must be `name: value` lines at the top"]),
        ("a: 1\n---\nb: 2\n", ["f.yaml:2: starts a second document with `---`; keep one a file"]),
        ("? [a, b]\n: 1\n",
         ["f.yaml:1: a name before `:` must be plain text; quote it if it starts with `[`, `{`, `*`"]),
        ('a: "x\\u202Ey"\n', ["f.yaml:1: text holds the invisible character U+202E; remove it"]),
        ('\na: "x\\0y"\n', ["f.yaml:2: text holds the invisible character U+0000; remove it"]),
        ("a: 1\nb: \x07\n", ["f.yaml:2: holds the character U+0007, which YAML forbids; remove it"]),
        (b"a: 1\nb: \xff\n", ["f.yaml:2: is not UTF-8 text; save the file as UTF-8"]),
        ("a:\n  " + "[" * 100 + "]" * 100, ["f.yaml:2: is nested deeper than 64, or has over 500000 values"]),
    ],
)  # fmt: skip
def test_mistakes_of_form_say_where_and_what_to_do(text, expected):
    """What our YAML does not have is a mistake with its line, and all of them are told at once."""
    assert read(text)[1] == expected


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("a:\n\tb: 1\n", 2, "indent with spaces, not tabs"),
        ("a: b: c\n", 1, "quote text that holds `: `"),
        ("paths: [/a/{id}]\n", 1, "quote text that holds any of `{ } [ ] ,`"),
        ("a: [1,\n", 2, "check the indentation, the brackets and the quotes"),
        ('a: "x\n', 2, "close the quote or bracket that is open"),
    ],
)
def test_broken_syntax_is_one_located_mistake(text, line, hint):
    """A syntax error is told with its line and what usually causes it."""
    document, mistakes = read(text)
    assert document is None
    assert len(mistakes) == 1
    assert mistakes[0].startswith(f"f.yaml:{line}: is not valid YAML (")
    assert hint in mistakes[0]


_BITS = ["a", "b:", ": ", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "&x ", "*x", "!!int ", "<<", "|", ">"]
_BITS += [
    "'",
    '"',
    "\\u0000",
    "\\UFFFFFFFF",
    "%YAML 1.1",
    "---",
    "...",
    "#",
    "?",
    "~",
    "\r",
    "\x85",
    "\u2028",
    "1",
    "é",
]


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | st.lists(st.sampled_from(_BITS), max_size=40).map(lambda bits: "".join(bits).encode()))
def test_any_bytes_give_a_document_or_a_mistake(raw):
    """Never a traceback, and never nothing: a document, or at least one mistake."""
    mistakes = []
    document = read_tree(raw, "f.yaml", mistakes)
    assert document is not None or mistakes
    assert all(mistake.text for mistake in mistakes)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_BITS), max_size=25).map("".join))
def test_the_slow_parser_never_surprises_either(text):
    """Where the fast parser is not installed, the other one also ends in a document or a mistake."""
    mistakes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "_PARSER", yaml.SafeLoader)
        document = read_tree(text.encode(), "f.yaml", mistakes)
    assert document is not None or mistakes


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text("abz 09:-#'\"é\n", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abno1", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abno1", min_size=1, max_size=4), _PLAIN, max_size=4))
def test_what_a_yaml_writer_wrote_is_read_back(data):
    """A document written by a YAML 1.1 writer without aliases is read back as it was."""
    dumper = yaml.SafeDumper
    dumper_without_aliases = type("Plain", (dumper,), {"ignore_aliases": lambda _self, _data: True})
    document, mistakes = read(yaml.dump(data, Dumper=dumper_without_aliases, allow_unicode=True))
    assert not mistakes
    assert document.data == data


def test_only_readable_regular_files_within_the_limit_are_read(tmp_path: Path):
    """A missing file, a directory, a pipe and a file over the limit are mistakes, and nothing waits."""
    small, pipe = tmp_path / "small.yaml", tmp_path / "pipe"
    small.write_bytes(b"a: 1\n")
    os.mkfifo(pipe)
    mistakes = []
    assert read_bytes(small, mistakes) == b"a: 1\n"
    assert not mistakes
    for path in (tmp_path / "none.yaml", tmp_path, pipe):
        assert read_bytes(path, mistakes) is None
    assert read_bytes(small, mistakes, limit=3) is None
    assert [mistake.text for mistake in mistakes] == [
        "cannot be read: no such file or directory",
        "is not a regular file",
        "is not a regular file",
        "is larger than 3 bytes; split it into several files",
    ]


def test_paths_are_shown_from_where_the_person_stands(tmp_path, monkeypatch):
    """Below the working directory a path is shown relative to it, elsewhere in full."""
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b.yaml") == "a/b.yaml"
    assert shown(Path("/elsewhere/b.yaml")) == "/elsewhere/b.yaml"
