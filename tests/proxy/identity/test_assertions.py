"""An agent's own key as its credential. What assertions must be is tested at the token endpoint, end to end."""

import asyncio
from datetime import date
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.facts import Agent
from proxy.identity.assertions import AssertionVerifier
from proxy.identity.lineage import name_of, scope_of_client_key
from proxy.stages import Proven
from tests.fakes.issuer import NOW, jwk, private_key, sign

FAR = date(2099, 1, 1)
BOT = Agent(
    id="bot", owner="o", purpose="x", expires=FAR, review_due=FAR,
    client_keys=(jwk("ES256", "one"), jwk("EdDSA", "two")),
)  # fmt: skip
GOOD = {"iss": "bot", "sub": "bot", "aud": "https://gov", "iat": int(NOW), "exp": int(NOW) + 60, "jti": "a"}


class Replays:
    """Remembers what was used, and for how long."""

    def __init__(self) -> None:
        self.used: dict[str, float] = {}

    async def use_once(self, key: str, until: float, now: float) -> bool:
        assert now
        if key in self.used:
            return False
        self.used[key] = until
        return True


def prove(text: str, replays: Replays | None = None, agent: Agent = BOT, now: float = NOW) -> Proven:
    verifier = AssertionVerifier("https://gov", replays or Replays())
    return asyncio.run(verifier.prove(text, {agent.id: agent}, now))


def signed(name: str = "one", kind: str = "ES256", **changes: Any) -> str:
    return sign(GOOD | changes, {"alg": kind, "kid": name}, kind=kind, name=name)


def test_it_proves_the_agent_for_one_request() -> None:
    """By any of its keys; with scopes that end it, and times no looser than its own."""
    proven = prove(signed())
    assert (proven.agent, proven.method, proven.task, proven.on_behalf_of) == ("bot", "private_key_jwt", "", None)
    own_key = scope_of_client_key("bot", name_of(private_key("ES256", "one").public_key()))
    assert proven.scopes == ("principal:bot", own_key)
    assert prove(signed("two", "EdDSA")).agent == "bot"


def test_it_is_good_once_even_for_another_process() -> None:
    """It is remembered for longer than it could be accepted."""
    replays = Replays()
    prove(signed(), replays)
    with pytest.raises(Refused, match="replayed"):
        prove(signed(), replays)
    assert list(replays.used.values()) == [NOW + 91]
    with pytest.raises(Refused, match="expired"):
        prove(signed(), now=NOW + 90)


@pytest.mark.parametrize(
    "text",
    [
        signed("two"),
        signed("three"),
        signed(iss="other"),
        signed(aud="https://other"),
        signed(jti=None),
        "x",
        "",
        signed()[:-8] + "AAAAAAAA",
        sign(GOOD, {"alg": "RS256", "kid": "one"}, kind="RS256", name="one"),
    ],
)
def test_anything_else_proves_nobody_and_uses_nothing_up(text: str) -> None:
    """A wrong key, issuer, audience, algorithm or signature; the id is free for the real one."""
    replays = Replays()
    with pytest.raises(Refused):
        prove(text, replays)
    assert replays.used == {}


def test_a_key_that_is_no_public_signing_key_is_not_used() -> None:
    """Not for encryption, not symmetric, not twice under one name."""
    for keys in (
        (jwk("ES256", "one", use="enc"),),
        ({"kty": "oct", "k": "AAAA", "kid": "one"},),
        (jwk("ES256", "one"), jwk("ES256", "two") | {"kid": "one"}),
        (),
    ):
        with pytest.raises(Refused):
            prove(signed(), agent=BOT.model_copy(update={"client_keys": keys}))
