"""Task tokens, obtained and renewed; tests/e2e/test_shim.py has a real token endpoint."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.errors import CountersignError
from proxy.shim.sources import SourceFailed
from proxy.shim.task_tokens import TaskTokens, by_handle, read_agent_key
from tests.fakes.tokens import FixedToken
from tests.fakes.world import Clock

GIVEN = {"access_token": "a.b.c", "expires_in": 600, "authorization_details": [{"task_id": "task_1"}]}


class Endpoint:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.forms: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, form: Any, headers: Any) -> tuple[int, Any]:
        self.forms.append(dict(form))
        self.headers.append(dict(headers))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_the_first_token_begins_a_task_and_the_next_is_of_the_same() -> None:
    """A renewal is not a new task: what the task is marked with stays with it."""

    async def run() -> None:
        endpoint, clock = Endpoint((200, GIVEN)), Clock(0.0)
        source = TaskTokens(
            endpoint, ("crm/get_customer", "read:customers", "notes/*"), by_handle(FixedToken("csh_x")), clock
        )
        assert await source.token() == await source.token() == "a.b.c"
        clock.now = 300.0
        await source.token()
        asked = [json.loads(form["authorization_details"])[0] for form in endpoint.forms]
        assert asked == [
            {"type": "countersign_task", "actions": ["crm/get_customer", "notes/*"], "datatypes": ["read:customers"]},
            {"type": "countersign_task", "task_id": "task_1"},
        ]
        assert endpoint.headers == [{"authorization": "Bearer csh_x"}] * 2
        assert {form["grant_type"] for form in endpoint.forms} == {"client_credentials"}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((400, {"error": "invalid_scope", "error_description": "not yours"}), "not yours"),
        ((401, {"error": "invalid_client"}), "invalid_client"),
        ((503, None), "503"),
        ((200, {}), "cannot be understood"),
        ((200, []), "cannot be understood"),
        ((200, GIVEN | {"expires_in": "soon"}), "cannot be understood"),
        ((200, GIVEN | {"authorization_details": []}), "cannot be understood"),
        ((200, GIVEN | {"access_token": "a b"}), "does not hold one token"),
    ],
)
def test_no_token(answer: tuple[int, Any], words: str) -> None:
    """The endpoint's own words where it has some."""
    with pytest.raises(SourceFailed, match=words):
        asyncio.run(TaskTokens(Endpoint(answer), ("crm/x",), by_handle(FixedToken("csh_x"))).token())


@pytest.mark.parametrize("kind", ["ec", "ed"])
@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_an_agents_key_signs_a_fresh_assertion_each_time(tmp_path: Path, kind: str, form: str) -> None:
    """Addressed to the endpoint's issuer, short, with its own id."""
    key: Any = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else ed25519.Ed25519PrivateKey.generate()
    algorithm: Any = jwt.get_algorithm_by_name("ES256" if kind == "ec" else "EdDSA")
    path = tmp_path / "key"
    if form == "pem":
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    else:
        path.write_text(json.dumps({**json.loads(algorithm.to_jwk(key)), "kid": "k1"}))
    agent_key = read_agent_key(path, "support-bot", "https://gov.test")
    assertions = []
    for _ in range(2):
        shown, headers = asyncio.run(agent_key.show())
        assert headers == {}
        claims = jwt.decode(
            shown["client_assertion"], key.public_key(), algorithms=["ES256", "EdDSA"], audience="https://gov.test"
        )
        assert claims["iss"] == claims["sub"] == "support-bot"
        assert 0 < claims["exp"] - claims["iat"] <= 60
        assert jwt.get_unverified_header(shown["client_assertion"]).get("kid") == ("k1" if form == "jwk" else None)
        assertions.append(claims["jti"])
    assert len(set(assertions)) == 2


def test_what_is_no_key(tmp_path: Path) -> None:
    """Missing, something else, of another kind, or public: said in words."""
    path = tmp_path / "key"
    with pytest.raises(CountersignError, match="cannot be read: no such file"):
        read_agent_key(path, "a", "i")
    large = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public: Any = jwt.get_algorithm_by_name("ES256")
    wrong = {
        b"nonsense": "does not hold a private key",
        b'{"kty": "EC"}': "does not hold a private key",
        large.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()): "P-256 or Ed25519",
        public.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()).encode(): "P-256 or Ed25519",
    }
    for content, words in wrong.items():
        path.write_bytes(content)
        with pytest.raises(CountersignError, match=words):
            read_agent_key(path, "a", "i")
