"""Which questions a call raises, and what policies cannot be asked about at all."""

from dataclasses import replace

import pytest

from policies.boundaries import Known, Missing, subject
from policies.model import DatasetUse, Inquiry
from policies.schema import actions
from tests.fakes.starter_catalogue import READ_CALL, STARTER

READ, WRITE = DatasetUse("customers", "read"), DatasetUse("customers", "write")
KNOWN = Known(STARTER, actions(STARTER))


def labels(inquiry: Inquiry) -> list[str]:
    return [boundary.label for boundary in KNOWN.boundaries(inquiry)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["crm/get_customer", "read customers"]),
        ({"datasets": ()}, ["crm/get_customer"]),
        ({"datasets": (READ, WRITE, READ)}, ["crm/get_customer", "read customers", "write customers"]),
        ({"tool": None}, ["GET crm", "read customers"]),
        ({"tool": None, "lifecycle": True, "datasets": ()}, ["connect crm"]),
        ({"lifecycle": True, "datasets": ()}, ["connect crm"]),
    ],
)
def test_each_boundary_is_a_question(change: dict, expected: list[str]) -> None:
    """The tool, or the API, or connecting; and each dataset once for each kind of access."""
    assert labels(replace(READ_CALL, **change)) == expected


def test_the_person_is_asked_for_too() -> None:
    """A delegated call has two principals, the agent first."""
    assert KNOWN.principals(READ_CALL) == [("Agent", "support-bot")]
    assert KNOWN.principals(replace(READ_CALL, on_behalf_of="bob")) == [("Agent", "support-bot"), ("Person", "bob")]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"agent": "nobody"}, "agent_unknown"),
        ({"agent": ""}, "agent_unknown"),
        ({"on_behalf_of": "nobody"}, "person_unknown"),
        ({"on_behalf_of": ""}, "person_unknown"),
        ({"on_behalf_of": "gone"}, "person_inactive"),
        ({"service": "nothing"}, "service_unknown"),
        ({"service": "nothing", "lifecycle": True}, "service_unknown"),
        ({"tool": "nothing"}, "tool_unknown"),
        ({"tool": ""}, "tool_unknown"),
        ({"tool": None, "method": "get"}, "method_unknown"),
        ({"datasets": (DatasetUse("nothing", "read"),)}, "dataset_unknown"),
        ({"datasets": (DatasetUse("customers", "read"), DatasetUse("customers", "admin"))}, "dataset_unknown"),
    ],
)
def test_what_policies_do_not_know_they_are_not_asked(change: dict, code: str) -> None:
    """A rule could not speak of it, so nobody allowed it."""
    inquiry = replace(READ_CALL, **change)
    with pytest.raises(Missing, match=code):
        (KNOWN.principals(inquiry), KNOWN.boundaries(inquiry))


def test_an_agent_without_an_owner_is_not_asked_about() -> None:
    """Nobody answers for it."""
    orphaned = replace(STARTER, agents=(replace(STARTER.agents[0], owner=""),))
    with pytest.raises(Missing, match="owner_missing"):
        Known(orphaned, actions(orphaned)).principals(READ_CALL)


def test_a_call_has_a_subject_even_when_it_is_unknown() -> None:
    """For the words of the refusal."""
    assert subject(replace(READ_CALL, tool="nothing")) == "crm/nothing"
    assert subject(replace(READ_CALL, tool=None, method="TRACE")) == "TRACE crm"
    assert subject(replace(READ_CALL, lifecycle=True)) == "connect crm"
