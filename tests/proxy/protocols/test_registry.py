"""The one way from an attributed request to a described call."""

from typing import get_args

import pytest

from proxy.facts import Protocol
from proxy.protocols.registry import DESCRIBERS, describe
from proxy.stages import Described
from tests.fakes.wire_calls import CATALOG, attributed, compiled, posted, refusal, request, rpc


def test_every_protocol_of_the_inventory_has_a_describer() -> None:
    """What the inventory can say, we can read; nothing else is read."""
    assert set(DESCRIBERS) == set(get_args(Protocol.__value__))


@pytest.mark.parametrize(
    ("sent", "protocol"),
    [(request("GET", "crm.example.com/v1/customers"), "rest"), (posted(rpc("ping")), "mcp")],
)
def test_the_service_decides_the_protocol(sent: object, protocol: str) -> None:
    """Not what the request looks like, but what the inventory says, decides how it is read."""
    asked = attributed(sent)  # type: ignore[arg-type]  # a table of requests
    described = describe(asked, CATALOG)
    assert isinstance(described, Described)
    assert described.attributed is asked
    assert described.call.protocol == protocol


def test_an_unknown_service_is_refused() -> None:
    """Nothing configured means nothing known."""
    found = refusal(request("GET", "crm.example.com/v1/customers"), compiled())
    assert (found.reason, found.status) == ("service_unknown", 403)
