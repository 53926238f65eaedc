"""Bytes into entries that know their places."""

from pathlib import Path

import pytest

from proxy.inventory.files import Snapshot
from proxy.inventory.read import read_entries

PLACE = Path("/inventory")


def mistakes_of(*texts: str) -> list[str]:
    own = {PLACE / f"{'abc'[number]}.yaml": text.encode() for number, text in enumerate(texts)}
    return [str(mistake) for mistake in read_entries(Snapshot(own)).mistakes]


def test_files_are_merged_and_entries_know_their_place():
    """Sections may be spread over files in any way; each entry knows its file, line and folder."""
    own = {
        PLACE / "a.yaml": b"people:\n  - id: alice\n    name: A\n",
        PLACE / "b.yaml": b"people:\n  - {id: bob, name: B}\n",
    }
    reading = read_entries(Snapshot(own))
    assert reading.mistakes == []
    assert {name: entry.place for name, entry in reading.people.items()} == {
        "alice": "/inventory/a.yaml:2",
        "bob": "/inventory/b.yaml:2",
    }
    assert reading.people["bob"].path("x/../crm.json") == PLACE / "crm.json"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["people:\n- {id: a, name: A}\n- {id: a, name: B}\n"],
         ["/inventory/a.yaml:3: people[a].id: `a` is here again, first in /inventory/a.yaml:2; keep one"]),
        (["teams: [{id: t}]\n", "teams:\n  - id: t\n"],
         ["/inventory/b.yaml:2: teams[t].id: `t` is here again, first in /inventory/a.yaml:1; keep one"]),
        (["agent: []\n"], ["/inventory/a.yaml:1: agent: is not a section of an inventory; did you mean `agents`?"]),
        (["stuff: []\n"],
         [("/inventory/a.yaml:1: stuff: is not a section of an inventory; "
          "known are `people`, `teams`, `agents`, `services`, `datasets`, "
            "`processes`, `partners`")]),
        (["openapi: 3.1.0\ninfo: {}\n"],
         ["/inventory/a.yaml:1: is an OpenAPI document; keep those in a folder of their own"]),
        (["people:\n  alice: {name: A}\n"],
         ["/inventory/a.yaml:1: people: must be a list: each entry after `- id: ...`"]),
        (["people:\n- alice\n"],
         ["/inventory/a.yaml:2: people[0]: must be a group of `name: value` lines"]),
        (["people:\n- id: 7\n  name: A\n"],
         ["/inventory/a.yaml:2: people[0].id: must be text; put the value in quotes"]),
        (["people:\n- id: Alice\n  nam: A\n"],
         [("/inventory/a.yaml:2: people[Alice].id: `Alice` is not an identifier: use 1 to 64 of a-z, 0-9, `.`, `_`, "
          "`-`, starting and ending with a letter or digit"),
          "/inventory/a.yaml:2: people[Alice].name: is missing; add it",
          "/inventory/a.yaml:3: people[Alice].nam: is not a field here; did you mean `name`?"]),
        (["agents:\n- id: bot\n  purpose: p\n  expires: 1.1.2027\n  review_due: 2027-01-01\n"],
         ["/inventory/a.yaml:4: agents[bot].expires: is not a date; write it as YYYY-MM-DD, for example 2027-01-31"]),
        (["people: [\n", "people:\n- id: a\n"],
         [("/inventory/a.yaml:2: is not valid YAML (did not find expected node content); check the indentation, "
          "the brackets and the quotes of this line and the one above"),
          "/inventory/b.yaml:2: people[a].name: is missing; add it"]),
        ([("services:\n- id: crm\n  owner: a\n  url: https://x\n  bindings:\n  - id: k\n    secret: 12345\n"
          "    methods: [GET]\n    paths: [/]\n")],
         ["/inventory/a.yaml:7: services[crm].bindings[k].secret: must be text; put the value in quotes"]),
    ],
)  # fmt: skip
def test_mistakes_are_located_and_worded(texts, expected):
    """The exact lines that a person sees, over all files at once."""
    assert mistakes_of(*texts) == expected


def test_a_wrong_entry_still_claims_its_id():
    """An entry with a mistake is not used, but a reference to it is not called dangling."""
    reading = read_entries(Snapshot({PLACE / "a.yaml": b"people:\n- id: alice\n"}))
    assert "alice" in reading.claimed["people"]
    assert reading.people == {}
    assert reading.complete


def test_an_agent_without_an_owner_is_listed():
    """A missing or empty owner is no mistake of form: the agent loads, and is refused when it calls."""
    text = b"agents:\n- {id: a, purpose: p, expires: 2027-01-01, review_due: 2027-01-01}\n"
    reading = read_entries(
        Snapshot({PLACE / "a.yaml": text, PLACE / "b.yaml": text.replace(b"id: a", b"id: b, owner: ")})
    )
    assert reading.mistakes == []
    assert [entry.fact.owner for entry in reading.agents.values()] == [None, None]
