"""What a receiving service believes, and what it does not."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.downstream import verifier as module
from proxy.downstream.profile import Rejected
from proxy.downstream.signer import ROTATE_AFTER, Signer
from proxy.downstream.verifier import Verifier, require_body
from tests.fakes.accounts import (
    BODY,
    DOMAIN,
    NOW,
    PLACE,
    chain,
    claims_of,
    hmac_signed,
    minted,
    signed_again,
    signer,
    verifier,
    with_parts,
)

HEAD = {"typ": "txntoken+jwt", "alg": "ES256"}


@pytest.fixture
def made(tmp_path: Path) -> Signer:
    return signer(tmp_path)


def reason(verifier: Verifier, token: str, method: str = "POST", target: str = "/v1/refunds") -> str:
    with pytest.raises(Rejected) as rejected:
        verifier.verify(token, method=method, target=target)
    return rejected.value.reason


def test_what_we_mint_is_believed(made: Signer) -> None:
    """Human, planner, worker: as they were proven."""
    account = verifier(made).verify(minted(made, chain("planner", "worker")), method="POST", target="/v1/refunds")
    assert str(account) == "human:alice -> agent:planner (verified, jwt_svid) -> agent:worker (verified, jwt_svid)"
    assert account.verified


def test_the_query_is_part_of_the_target(made: Signer) -> None:
    """As it came over the wire."""
    token = minted(made, query="dry=1")
    assert verifier(made).verify(token, method="POST", target="/v1/refunds?dry=1")
    assert reason(verifier(made), token) == "target_differs"


def other_key(made: Signer, token: str, tmp_path: Path) -> str:
    """By somebody with a key of their own, under our key's name."""
    (tmp_path / "evil").mkdir()
    evil = signer(tmp_path / "evil")
    evil._head = made._head
    return evil.sign(claims_of(token))


FORGERIES: dict[str, tuple[Callable[[Signer, str, Path], str], str]] = {
    "another trust domain": (lambda made, token, _: signed_again(made, token, aud="test.example"), "token_audience"),
    "a list of audiences": (lambda made, token, _: signed_again(made, token, aud=[DOMAIN, "x"]), "token_audience"),
    "no audience": (lambda made, token, _: signed_again(made, token, aud=None), "token_audience"),
    "another issuer": (lambda made, token, _: signed_again(made, token, iss="https://evil.example"), "token_issuer"),
    "no issuer": (lambda made, token, _: signed_again(made, token, iss=None), "token_issuer"),
    "alg none": (
        lambda made, token, _: (
            with_parts(token, head=HEAD | {"alg": "none", "kid": made.key_id}).rpartition(".")[0] + "."
        ),
        "token_malformed",
    ),
    "alg none, signed": (
        lambda made, token, _: with_parts(token, head=HEAD | {"alg": "none", "kid": made.key_id}),
        "token_algorithm",
    ),
    "HS256 with our public key": (lambda made, token, _: hmac_signed(made, token), "token_algorithm"),
    "an unknown key": (lambda made, token, _: with_parts(token, head=HEAD | {"kid": "unknown"}), "key_unknown"),
    "another key under our key's name": (other_key, "token_signature"),
    "the key that does not sign yet": (
        lambda made, token, _: with_parts(token, head=HEAD | {"kid": made._ring.coming.key_id}),
        "token_signature",
    ),
    "a spliced act": (
        lambda made, token, _: with_parts(
            token, payload=claims_of(token) | {"act": claims_of(minted(made, chain("admin")))["act"]}
        ),
        "token_signature",
    ),
    "a truncated act": (
        lambda made, token, _: with_parts(
            token, payload={name: value for name, value in claims_of(token).items() if name != "act"}
        ),
        "token_signature",
    ),
    "a widened scope": (
        lambda made, token, _: with_parts(token, payload=claims_of(token) | {"scope": "crm.admin"}),
        "token_signature",
    ),
    "another's signature": (
        lambda made, token, _: token.rpartition(".")[0] + "." + minted(made).rpartition(".")[2],
        "token_signature",
    ),
    "a cut signature": (lambda made, token, _: token[:-2], "token_signature"),
    "a cut token": (lambda made, token, _: token[:300], "token_malformed"),
    "nested garbage": (lambda made, token, _: signed_again(made, token, act={"act": {"act": []}}), "token_claims"),
    "an act of nine": (lambda made, token, _: signed_again(made, token, act=_nested(9)), "token_claims"),
    "far too large": (lambda made, token, _: signed_again(made, token, padding="x" * 4000), "token_too_large"),
    "expired": (lambda made, token, _: minted(made, now=NOW - 65), "token_expired"),
    "from the future": (lambda made, token, _: minted(made, now=NOW + 60), "token_not_yet_valid"),
    "that never ends": (
        lambda made, token, _: signed_again(made, token, exp=int(NOW) + 10**6),
        "token_lifetime",
    ),
    "that ends before it begins": (
        lambda made, token, _: signed_again(made, token, exp=int(NOW) - 1),
        "token_lifetime",
    ),
    "for another service": (
        lambda made, token, _: signed_again(made, token, rctx={"dst": "https://other.internal"}),
        "destination_differs",
    ),
    "for the same name in plain text": (
        lambda made, token, _: signed_again(made, token, rctx={"dst": "http://crm.internal"}),
        "destination_differs",
    ),
    "for another method": (lambda made, token, _: signed_again(made, token, rctx={"method": "GET"}), "method_differs"),
    "for another path": (lambda made, token, _: minted(made, path="/v1/refunds/"), "target_differs"),
    "for no request": (lambda made, token, _: signed_again(made, token, rctx=None), "token_claims"),
}


def _nested(depth: int) -> dict[str, Any]:
    issuer, act = "spiffe://prod.example/countersign", None
    for _ in range(depth):
        act = {"iss": issuer, "sub": "agent:x", "sub_profile": "ai_agent", **({"act": act} if act else {})}
    assert act
    return act


@pytest.mark.parametrize("name", FORGERIES)
def test_each_forgery_has_its_reason(made: Signer, tmp_path: Path, name: str) -> None:
    """Whatever it is made of, it is refused; and the real one beside it passes."""
    forge, expected = FORGERIES[name]
    real = minted(made, chain("planner", "worker"))
    mine = verifier(made)
    assert reason(mine, forge(made, real, tmp_path)) == expected
    assert mine.verify(real, method="POST", target="/v1/refunds")


def test_a_token_passes_once(made: Signer) -> None:
    """The second time it is a replay, wherever the first one came from; a refused one is not used up."""
    mine, token = verifier(made), minted(made)
    assert reason(mine, token, method="GET") == "method_differs"
    mine.verify(token, method="POST", target="/v1/refunds")
    assert reason(mine, token) == "token_replayed"


def test_clocks_may_differ_a_little(made: Signer) -> None:
    """By the leeway, in both directions, and no further."""
    token = minted(made)
    for at in (NOW - 5, NOW + 64):
        assert verifier(made, now=at).verify(token, method="POST", target="/v1/refunds")
    assert reason(verifier(made, now=NOW - 6), token) == "token_not_yet_valid"
    assert reason(verifier(made, now=NOW + 65), token) == "token_expired"


def test_a_service_of_two_names(made: Signer) -> None:
    """Each of its own destinations is its own."""
    mine = verifier(made, destination=["https://old.internal", PLACE])
    assert mine.verify(minted(made), method="POST", target="/v1/refunds")


def test_the_body_is_compared_by_the_caller(made: Signer) -> None:
    """One byte more is another call."""
    account = verifier(made).verify(minted(made), method="POST", target="/v1/refunds")
    require_body(account, BODY)
    for body in (b"", BODY + b" "):
        with pytest.raises(Rejected) as rejected:
            require_body(account, body)
        assert rejected.value.reason == "body_differs"


def test_a_change_of_keys_is_not_noticed(made: Signer) -> None:
    """A service that read the keys before the change verifies tokens of before and after it."""
    at = NOW + ROTATE_AFTER
    mine = verifier(made, now=at)
    before = minted(made, now=at)
    made.rotate_if_due(at)
    for token in (before, minted(made, now=at)):
        assert mine.verify(token, method="POST", target="/v1/refunds")


@pytest.mark.parametrize(
    "options",
    [
        {"jwks": None},
        {"jwks_url": "https://a.example/keys"},
        {"jwks": None, "jwks_url": "http://a.example/keys"},
        {"destination": ""},
        {"destination": []},
        {"destination": "crm.internal"},
        {"destination": "https://crm.internal/"},
        {"destination": "https://CRM.internal"},
        {"destination": ["https://crm.internal", "*"]},
        {"trust_domain": ""},
        {"trust_domain": "Prod"},
    ],
)
def test_options_that_would_verify_too_little(made: Signer, options: dict[str, Any]) -> None:
    """Nothing that is left out or misspelt makes it believe more: it does not start."""
    with pytest.raises(ValueError, match=r"must be|give either|is an origin|plain http"):
        verifier(made, **options)


def test_in_an_event_loop_keys_are_fetched_aside(made: Signer) -> None:
    """The loop goes on meanwhile, and the answer is the same."""
    mine, beaten = verifier(made), threading.Event()
    fetch = mine._keys._fetch

    def slow() -> bytes:
        assert beaten.wait(60)  # were it on the loop, nothing would ever beat
        return fetch()

    mine._keys._fetch = slow

    async def heart() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        beaten.set()

    async def scenario() -> None:
        account, _ = await asyncio.gather(mine.verify_async(minted(made), method="POST", target="/v1/refunds"), heart())
        assert account.task == "task_1"

    asyncio.run(scenario())


def test_a_receiving_service_needs_pyjwt_and_nothing_else() -> None:
    """Importing both halves of it loads none of the proxy's packages, and none of the proxy."""
    code = """if True:
        import sys
        from proxy.downstream.asgi import RequireCountersign
        from proxy.downstream.verifier import Verifier
        loaded = {name.partition(".")[0] for name in sys.modules}
        heavy = "mitmproxy starlette uvicorn httpx pydantic orjson cedarpy yaml opentelemetry policies telemetry"
        print(sorted(loaded & set(heavy.split())))
        print(sorted(name for name in sys.modules if name.startswith("proxy")))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others, ours = done.stdout.splitlines()
    assert others == "[]"
    parts = ("account", "asgi", "key_set", "profile", "reading", "replays", "verifier")
    assert ours == str(["proxy", "proxy.downstream", *(f"proxy.downstream.{name}" for name in parts)])


def test_a_receiving_service_may_copy_the_files_that_it_needs(tmp_path: Path, made: Signer) -> None:
    """Those that the module names, and no other: they verify a token in a folder of their own."""
    assert module.__doc__ is not None
    named = re.search(r"`proxy/downstream/\{([a-z_,]+)\}\.py`", module.__doc__)
    assert named is not None
    there = tmp_path / "service" / "proxy" / "downstream"
    there.mkdir(parents=True)
    (there.parent / "__init__.py").touch()
    for name in named[1].split(","):
        shutil.copy(Path(module.__file__).with_name(f"{name}.py"), there)
    code = """if True:
        import json, sys
        from proxy.downstream import asgi
        from proxy.downstream.verifier import Verifier
        keys, now, token = json.loads(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
        mine = Verifier(trust_domain=sys.argv[4], destination=sys.argv[5], jwks=keys, clock=lambda: now)
        print(mine.verify(token, method="POST", target="/v1/refunds"), asgi.__file__)
    """
    told = [json.dumps(made.jwks(NOW)), str(NOW), minted(made), DOMAIN, PLACE]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *told], cwd=there.parents[1], env={"PYTHONPATH": "."}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("human:alice -> agent:bot (verified, jwt_svid)")
    assert Path(there.parents[1], done.stdout.split()[-1]).resolve().parent == there.resolve()
