"""An agent's own keys, as the inventory may hold them."""

from pathlib import Path

import pytest

from proxy.errors import ConfigurationError
from tests.fakes.inventories import AGENTS, PEOPLE, SERVICES, load_inventory, write_inventory

EC = "{kty: EC, crv: P-256, kid: one, x: AAAA, y: BBBB}"
ED = "{kty: OKP, crv: Ed25519, kid: two, x: AAAA, use: sig}"


def with_keys(*keys: str) -> str:
    return AGENTS + "    client_keys:\n" + "".join(f"      - {key}\n" for key in keys)


def test_public_signing_keys_are_read(tmp_path: Path) -> None:
    """As they are written."""
    agent = load_inventory(write_inventory(tmp_path, agents=with_keys(EC, ED))).inventory.agents["support-bot"]
    assert [key["kid"] for key in agent.client_keys] == ["one", "two"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("{kty: EC, crv: P-256, kid: one, x: AAAA, y: BBBB, d: SECRET}",), "is a private key"),
        (("{kty: oct, kid: one, k: SECRET}",), "is a private key"),
        (("{kty: RSA, kid: one, n: AAAA, e: AQAB}",), "must be an EC key on P-256"),
        (("{kty: EC, crv: secp256k1, kid: one, x: AAAA, y: BBBB}",), "must be an EC key on P-256"),
        (("{kty: EC, crv: P-256, kid: one, x: AAAA}",), "lacks `x` or `y`"),
        (("{kty: OKP, crv: Ed25519, kid: one, x: AAAA, use: enc}",), "is not for verifying"),
        (("{kty: OKP, crv: Ed25519, x: AAAA}",), "needs a `kid` of its own"),
        ((EC, "{kty: OKP, crv: Ed25519, kid: one, x: AAAA}"), "needs a `kid` of its own"),
    ],
)
def test_anything_else_is_a_mistake_that_repeats_no_secret(tmp_path: Path, keys: tuple[str, ...], said: str) -> None:
    """Private keys above all; what cannot verify our algorithms; what an assertion could not name."""
    with pytest.raises(ConfigurationError) as wrong:
        load_inventory(write_inventory(tmp_path, agents=with_keys(*keys)))
    assert said in str(wrong.value)
    assert "SECRET" not in str(wrong.value)


def test_an_identity_is_of_one_party(tmp_path: Path) -> None:
    """A person cannot have the subject that an agent has."""
    people = PEOPLE.replace(
        "    active: false", "    active: false\n    identities: [{issuer: https://issuer.example, subject: bot-1}]"
    )
    with pytest.raises(ConfigurationError) as wrong:
        load_inventory(write_inventory(tmp_path, people=people))
    assert "one identity is one party" in str(wrong.value)


def test_a_service_of_ours_has_keys_by_the_same_rules(tmp_path: Path) -> None:
    """With them it asks at the introspection endpoint; a private one is a mistake there too."""
    at = "    trust: internal\n"
    services = SERVICES.replace(at, at + f"    client_keys:\n      - {ED}\n")
    loaded = load_inventory(write_inventory(tmp_path, services=services))
    assert [key["kid"] for key in loaded.inventory.services["crm"].client_keys] == ["two"]
    with pytest.raises(ConfigurationError, match="is a private key"):
        load_inventory(write_inventory(tmp_path, services=services.replace("x: AAAA", "x: AAAA, d: SECRET")))
