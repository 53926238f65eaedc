"""What is written down of an act, and what counts as a reason."""

import asyncio
from collections.abc import Mapping

import pytest

from policies.model import Json
from proxy.control.callers import Caller
from proxy.control.journal import Journal, required_reason
from proxy.errors import Declined


def test_an_act_is_recorded_with_who_how_what_and_why() -> None:
    """The record has the caller's name, channel, assurance and credential id."""
    written: list[Mapping[str, Json]] = []

    async def record(entry: Mapping[str, Json]) -> int:
        written.append(entry)
        return 5

    journal = Journal(record, Caller(None, "cli", "local_operator", "uid=7"))
    assert asyncio.run(journal.write("revocation.put", "agent:x", kind="revoke", reason="odd", details=["more"])) == 5
    assert written == [
        {
            "type": "revocation.put",
            "change": {
                "what": "agent:x",
                "by": "operator:uid=7",
                "kind": "revoke",
                "reason": "odd",
                "details": ["channel=cli", "assurance=local_operator", "proof=uid=7", "more"],
            },
        }
    ]


@pytest.mark.parametrize("text", ["", "  ", "\n\t", "x" * 501])
def test_no_reason_and_a_cut_reason_are_refused(text: str) -> None:
    """Blank is no reason; a long one is refused rather than cut."""
    with pytest.raises(Declined):
        required_reason(text)


def test_a_reason_is_kept_as_it_was_given() -> None:
    """Only the blanks around it are dropped."""
    assert required_reason("  needs a ticket \n") == "needs a ticket"
