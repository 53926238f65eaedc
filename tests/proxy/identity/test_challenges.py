"""How an agent is asked to show who it is."""

from proxy.errors import Refusal
from proxy.identity.challenges import for_gateway, unproven


def test_a_proxy_asks_for_basic_first() -> None:
    """Two separate fields, Basic before Bearer, and nothing of the internal reason in them."""
    refusal = unproven("identity_invalid", "token_signature").refusal
    assert (refusal.status, refusal.next_action, refusal.internal) == (407, "authenticate", "token_signature")
    assert refusal.headers == (
        ("Proxy-Authenticate", 'Basic realm="countersign"'),
        ("Proxy-Authenticate", 'Bearer realm="countersign"'),
    )
    assert "token_signature" not in refusal.detail


def test_a_gateway_asks_as_an_origin() -> None:
    """Towards an agent that takes us for the service, the same refusal is a 401."""
    refusal = for_gateway(unproven("identity_missing").refusal)
    assert refusal.status == 401
    assert [name for name, _ in refusal.headers] == ["WWW-Authenticate"] * 2
    other = Refusal("agent_unknown", 403, "This agent is not in the inventory.")
    assert for_gateway(other) is other
