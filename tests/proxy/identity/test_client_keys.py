"""The keys that the inventory knows of a client."""

from proxy.identity.client_keys import client_keys
from proxy.identity.lineage import name_of
from tests.fakes.issuer import jwk, private_key


def test_they_are_found_by_their_names() -> None:
    """By `kid` for a signature, and by what they are for what was obtained with them."""
    found = client_keys("bot", (jwk("ES256", "one"), jwk("EdDSA", "two")))
    assert set(found.keys) == {"one", "two"}
    assert name_of(private_key("ES256", "one").public_key()) in found.names


def test_what_cannot_be_read_is_no_key() -> None:
    """A kind that is not taken, something that is no key, or more than anybody reads: never an exception."""
    assert client_keys("bot", (jwk("RS256", "one"), {"kty": 7}, {})).names == frozenset()
    assert client_keys("bot", tuple(jwk("ES256", f"k{n}") for n in range(65))).names == frozenset()
    assert client_keys("bot", ()).names == frozenset()
