"""Forged accounts of a three-hop chain, straight at the internal service: its verifier refuses each with a reason."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.forging import (
    DEEP,
    Scene,
    by_hmac,
    by_mallory,
    by_us,
    changed,
    head_of,
    mallorys_key,
    respelled,
    scene_of,
    spliced,
    twice,
)
from tests.e2e.three_hops import PATH, house
from tests.fakes.accounts import claims_of

HERE = "spiffe://test.example/countersign"


def by_insider(scene: Scene, head: dict[str, Any] | None = None, **claims: Any) -> str:
    return by_us(scene.signer, scene.txn(), head, **claims)


def hops(token: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = claims_of(token)["tctx"]["chain"]
    return found


def with_chain(scene: Scene, change: Callable[[list[Any]], list[Any]], **claims: Any) -> str:
    """Somebody with our key tells of other hops in `tctx`."""
    token = scene.txn()
    return by_us(scene.signer, token, tctx=claims_of(token)["tctx"] | {"chain": change(hops(token))}, **claims)


def other(scene: Scene) -> str:
    """A good account of another chain."""
    return scene.txn("other-bot", root="human:bob")


def _said(token: str) -> str:
    return json.dumps(claims_of(token))


def with_bytes(scene: Scene, payload: Callable[[str], bytes]) -> str:
    token = scene.txn()
    return by_us(scene.signer, token, payload=payload(token))


ACTOR = {"iss": HERE, "sub": "agent:researcher", "sub_profile": "ai_agent"}

AT_THE_SERVICE: dict[str, tuple[Callable[[Scene], str], str]] = {
    # algorithm and key
    "alg none": (lambda s: changed(s.txn(), head={"alg": "none"}), "token_algorithm"),
    "HS256 with our public key": (
        lambda s: by_hmac(s.txn(), s.signer._ring.current.private.public_key()), "token_algorithm",
    ),
    "RS256 said of it": (lambda s: by_insider(s, {"alg": "RS256"}), "token_algorithm"),
    "another's key under our kid": (lambda s: by_mallory(s.txn()), "token_signature"),
    "a key in the header": (lambda s: by_mallory(s.txn(), jwk=mallorys_key()), "token_malformed"),
    "a URL of keys": (lambda s: by_mallory(s.txn(), jku="https://evil.test/keys"), "token_malformed"),
    "a URL of a certificate": (lambda s: by_mallory(s.txn(), x5u="https://evil.test/x"), "token_malformed"),
    "crit": (lambda s: by_insider(s, {"crit": ["exp"]}), "token_malformed"),
    "an unknown kid": (lambda s: by_insider(s, {"kid": "k2"}), "key_unknown"),
    "a kid that is a path": (lambda s: by_insider(s, {"kid": "../../dev/null"}), "key_unknown"),
    "no kid": (lambda s: by_insider(s, {"kid": None}), "token_malformed"),
    "another typ": (lambda s: by_insider(s, {"typ": "JWT"}), "token_type"),
    # its text
    "padded": (lambda s: s.txn() + "==", "token_malformed"),
    "another spelling of the signature": (lambda s: respelled(s.txn()), "token_malformed"),
    "cut by a part": (lambda s: s.txn().rpartition(".")[0], "token_malformed"),
    "a member twice": (lambda s: with_bytes(s, lambda t: twice(t, "sub", "human:bob")), "token_malformed"),
    "not a number": (lambda s: with_bytes(s, lambda _: b'{"exp":NaN}'), "token_malformed"),
    # its hops
    "spliced: another chain under this signature": (
        lambda s: spliced(s.txn(), other(s), s.txn()), "token_signature",
    ),
    "spliced: another human before these agents": (
        lambda s: changed(s.txn(), sub="human:bob"), "token_signature",
    ),
    "spliced, with our key: the hops of another chain": (
        lambda s: with_chain(s, lambda _: hops(other(s))), "token_claims",
    ),
    "spliced, with our key: another human": (lambda s: by_insider(s, sub="human:bob"), "token_claims"),
    "spliced, with our key: another's act": (
        lambda s: by_insider(s, act=claims_of(other(s))["act"]), "token_claims",
    ),
    "truncated": (lambda s: changed(s.txn(), act=ACTOR), "token_signature"),
    "truncated, with our key: act": (lambda s: by_insider(s, act=ACTOR), "token_claims"),
    "truncated, with our key: hops": (lambda s: with_chain(s, lambda h: [h[0], h[2]]), "token_claims"),
    "truncated, with our key: no hops": (lambda s: with_chain(s, lambda h: h[:1]), "token_claims"),
    "hops in another order": (lambda s: with_chain(s, lambda h: [h[0], h[2], h[1]]), "token_claims"),
    "a hop that is only asserted": (
        lambda s: with_chain(s, lambda h: [h[0], h[1] | {"s": "asserted"}, h[2]]), "token_claims",
    ),
    "a hop without its proof": (
        lambda s: with_chain(s, lambda h: [h[0], {"p": h[1]["p"], "s": "verified"}, h[2]]), "token_claims",
    ),
    "a hop with more to say": (lambda s: with_chain(s, lambda h: [h[0], h[1] | {"x": 1}, h[2]]), "token_claims"),
    "act null": (lambda s: with_bytes(s, lambda t: twice(changed(t, act=None), "act", None)), "token_claims"),
    "act a list": (lambda s: by_insider(s, act=[ACTOR]), "token_claims"),
    "act a text": (lambda s: by_insider(s, act="agent:researcher"), "token_claims"),
    "act 40 deep": (lambda s: by_insider(s, act=DEEP), "token_malformed"),
    "act 400 deep": (
        lambda s: with_bytes(s, lambda _: b'{"act":' * 400 + b"{}" + b"}" * 400), "token_too_large",
    ),
    "act with a member twice": (
        lambda s: with_bytes(s, lambda t: _said(t).replace('"act": {', '"act": {"sub": "x", ', 1).encode()),
        "token_malformed",
    ),
    "act of nobody": (lambda s: by_insider(s, act=ACTOR | {"sub": ""}), "token_claims"),
    "act with NUL": (lambda s: by_insider(s, act=ACTOR | {"sub": "agent:researcher\0"}), "token_claims"),
    "act of another namespace": (lambda s: by_insider(s, act=ACTOR | {"iss": "https://evil.test"}), "token_claims"),
    # what it is for
    "widened": (lambda s: changed(s.txn(), scope="crm.pay"), "token_signature"),
    "longer": (lambda s: changed(s.txn(), exp=int(time.time()) + 3600), "token_signature"),
    "longer, with our key": (lambda s: by_insider(s, exp=int(time.time()) + 3600), "token_lifetime"),
    "expired": (
        lambda s: by_insider(s, iat=int(time.time()) - 90, exp=int(time.time()) - 30), "token_expired",
    ),
    "not yet valid": (
        lambda s: by_insider(s, iat=int(time.time()) + 60, exp=int(time.time()) + 90), "token_not_yet_valid",
    ),
    "another trust domain": (lambda s: by_insider(s, aud="prod.example"), "token_audience"),
    "two audiences": (lambda s: by_insider(s, aud=["test.example", "x"]), "token_audience"),
    "a foreign issuer": (lambda s: by_insider(s, iss="spiffe://evil.test/countersign"), "token_issuer"),
    "another service": (lambda s: s.txn(dst="https://notes.test"), "destination_differs"),
    "another method": (lambda s: s.txn(method="POST"), "method_differs"),
    "another path": (lambda s: s.txn(target_sha256="sha256:" + "0" * 64), "target_differs"),
    "another body": (lambda s: s.txn(body_sha256="sha256:" + "0" * 64), "body_differs"),
    # tokens of other kinds
    "the sub-agent's task token": (lambda s: s.second, "token_type"),
    "the human's token": (lambda s: s.human, "token_algorithm"),
    "a task token under our typ": (lambda s: by_us(s.signer, s.second, {"typ": "txntoken+jwt"}), "token_issuer"),
}  # fmt: skip


def test_no_forgery_gets_past_the_service(tmp_path: Path) -> None:
    """Straight to it with each: 401 and the reason; the real one passes, once, whoever else sends it again."""

    async def main() -> None:
        async with house(tmp_path) as it:
            scene = await scene_of(it)
            for name, (forge, reason) in AT_THE_SERVICE.items():
                assert (name, await it.direct(forge(scene))) == (name, (401, reason))
            assert await it.direct() == (401, "token_missing")
            assert await it.direct(scene.txn(), scene.txn()) == (401, "token_malformed")
            good = scene.txn()
            assert head_of(good)["typ"] == "txntoken+jwt"
            assert await it.direct(good, path=f"{PATH}?all=yes") == (401, "target_differs")
            assert await it.direct(good, method="DELETE") == (401, "method_differs")
            assert await it.direct(good) == (200, "")
            assert await it.direct(good) == (401, "token_replayed")
            assert (await it.says()).startswith("GET crm/create_refund: human:alice -> agent:orchestrator (verified")

    asyncio.run(main())
