"""Every forgery of a three-hop chain that we know of, against one running house: refused, with a reason.

Each table reads: what is forged, how, and which check says no. The same token as it was meant passes first.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from proxy.errors import Refused
from proxy.stages import Evidence
from tests.e2e.forging import (
    DEEP,
    Scene,
    by_hmac,
    by_mallory,
    by_us,
    changed,
    mallorys_key,
    published_key,
    respelled,
    scene_of,
    spliced,
    twice,
)
from tests.e2e.three_hops import OURS, House, house
from tests.fakes.accounts import claims_of

LATER = 3600


# --- at the proxy: what an agent may present ------------------------------------------------------

type Forge = Callable[[Scene], str]

AT_THE_PROXY: dict[str, tuple[Forge, str, str]] = {
    # of our own task token: algorithm and key
    "alg none": (lambda s: changed(s.second, head={"alg": "none"}), "identity_invalid", "task_token_type"),
    "alg none, nothing signed": (
        lambda s: changed(s.second, head={"alg": "none"}).rpartition(".")[0] + ".", "identity_invalid",
        "token_not_compact_jws",
    ),
    "alg None": (lambda s: changed(s.second, head={"alg": "None"}), "identity_invalid", "task_token_type"),
    "HS256 with our public key": (
        lambda s: by_hmac(s.second, s.signer._ring.current.private.public_key()), "identity_invalid", "task_token_type",
    ),
    "RS256 said of an EC signature": (
        lambda s: by_us(s.signer, s.second, {"alg": "RS256"}), "identity_invalid", "task_token_type",
    ),
    "ES384 said of a P-256 key": (
        lambda s: by_us(s.signer, s.second, {"alg": "ES384"}), "identity_invalid", "task_token_type",
    ),
    "another's key under our kid": (lambda s: by_mallory(s.second), "identity_invalid", "token_signature"),
    "a key in the header": (
        lambda s: by_mallory(s.second, jwk=mallorys_key()), "identity_invalid", "token_header_refused",
    ),
    "a URL of keys": (
        lambda s: by_mallory(s.second, jku="https://evil.test/keys"), "identity_invalid", "token_header_refused",
    ),
    "a URL of a certificate": (
        lambda s: by_mallory(s.second, x5u="https://evil.test/x"), "identity_invalid", "token_header_refused",
    ),
    "a certificate": (lambda s: by_mallory(s.second, x5c=["MIIB"]), "identity_invalid", "token_header_refused"),
    "crit": (
        lambda s: by_us(s.signer, s.second, {"crit": ["exp"]}), "identity_invalid", "token_header_refused",
    ),
    "b64 false": (
        lambda s: by_us(s.signer, s.second, {"b64": False}), "identity_invalid", "token_header_refused",
    ),
    "no kid": (lambda s: by_us(s.signer, s.second, {"kid": None}), "identity_invalid", "task_token_key"),
    "an unknown kid": (lambda s: by_us(s.signer, s.second, {"kid": "k2"}), "identity_invalid", "task_token_key"),
    "a kid that is a path": (
        lambda s: by_us(s.signer, s.second, {"kid": "../../dev/null"}), "identity_invalid", "task_token_key",
    ),
    "a kid that is SQL": (
        lambda s: by_us(s.signer, s.second, {"kid": "x' UNION SELECT 'k"}), "identity_invalid", "task_token_key",
    ),
    "a kid of 300 characters": (
        lambda s: by_us(s.signer, s.second, {"kid": "k" * 300}), "identity_invalid", "token_key_id",
    ),
    "a kid that is a number": (lambda s: by_us(s.signer, s.second, {"kid": 7}), "identity_invalid", "token_key_id"),
    # its text
    "padded": (lambda s: s.second + "==", "identity_invalid", "token_not_compact_jws"),
    "another spelling of the signature": (lambda s: respelled(s.second), "identity_invalid", "token_base64"),
    "cut by a character": (lambda s: s.second[:-1], "identity_invalid", "token_base64"),
    "cut by a part": (lambda s: s.second.rpartition(".")[0], "identity_invalid", "neither a handle nor a token"),
    "a fourth part": (lambda s: s.second + ".AAAA", "identity_invalid", "neither a handle nor a token"),
    "a member twice": (
        lambda s: s.bytes(twice(s.second, "sub", "bob")), "identity_invalid", "token_claims_json",
    ),
    "a list for claims": (lambda s: s.bytes(b"[1]"), "identity_invalid", "token_claims_not_an_object"),
    "not a number": (lambda s: s.bytes(b'{"exp":NaN}'), "identity_invalid", "token_claims_json"),
    # its hops
    "spliced: T1's claims under T2's signature": (
        lambda s: spliced(s.second, s.first, s.second), "identity_invalid", "token_signature",
    ),
    "spliced: our head on the provider's token": (
        lambda s: spliced(s.second, s.orchestrators, s.orchestrators), "identity_invalid", "token_algorithm",
    ),
    "spliced: the orchestrator in T2's place": (
        lambda s: changed(s.second, act=claims_of(s.first)["act"]), "identity_invalid", "token_signature",
    ),
    "spliced, with our key: T1's actor on T2's task": (
        lambda s: s.ours(act=claims_of(s.first)["act"]), "identity_conflict", "task task_",
    ),
    "truncated": (
        lambda s: changed(s.second, act={"sub": "researcher"}), "identity_invalid", "token_signature",
    ),
    "truncated to the human, with our key": (lambda s: s.ours(act=None), "identity_conflict", "task task_"),
    "act null": (
        lambda s: s.bytes(twice(changed(s.second, act=None), "act", None)), "identity_invalid", "task_token_actor",
    ),
    "act a list": (lambda s: s.ours(act=[{"sub": "researcher"}]), "identity_invalid", "task_token_actor"),
    "act a text": (lambda s: s.ours(act="researcher"), "identity_invalid", "task_token_actor"),
    "act within null": (
        lambda s: s.bytes(twice(changed(s.second, act=None), "act", {"sub": "researcher", "act": None})),
        "identity_invalid", "task_token_actor",
    ),
    "act 40 deep": (lambda s: s.ours(act=DEEP), "identity_invalid", "token_claims_json"),
    "act 900 deep": (
        lambda s: s.bytes(b'{"act":' * 900 + b"{}" + b"}" * 900), "identity_malformed", "token_too_large",
    ),
    "act with a member twice": (
        lambda s: s.bytes(
            twice(changed(s.second, act=None), "act", {"sub": "a"}).replace(b'"sub": "a"', b'"sub": "a", "sub": "b"')
        ),
        "identity_invalid", "token_claims_json",
    ),
    "act of nobody": (lambda s: s.ours(act={"sub": ""}), "identity_conflict", "task task_"),
    "act with NUL": (lambda s: s.ours(act={"sub": "researcher\0"}), "identity_conflict", "task task_"),
    "another task": (
        lambda s: s.ours(task=claims_of(s.first)["task"]), "identity_conflict", "task task_",
    ),
    "a task that never began": (lambda s: s.ours(task="task_x"), "identity_invalid", "task_token_of_no_task"),
    # its other claims
    "widened": (lambda s: changed(s.second, scope="crm/*"), "identity_invalid", "token_signature"),
    "longer": (
        lambda s: changed(s.second, exp=int(time.time()) + LATER), "identity_invalid", "token_signature",
    ),
    "longer, with our key": (
        lambda s: s.ours(exp=int(time.time()) + LATER), "identity_invalid", "task_token_lifetime",
    ),
    "sub of another person": (lambda s: changed(s.second, sub="bob"), "identity_invalid", "token_signature"),
    "another audience": (lambda s: s.ours(aud="https://crm.test"), "identity_invalid", "task_token_audience"),
    "two audiences": (
        lambda s: s.ours(aud=[f"{OURS}/proxy", "https://x.test"]), "identity_invalid", "task_token_audience",
    ),
    "a foreign issuer": (
        lambda s: s.ours(iss="https://evil.test"), "identity_invalid", "token_issuer_or_typ_not_configured",
    ),
    "expired": (
        lambda s: s.ours(iat=int(time.time()) - 90, exp=int(time.time()) - 1), "identity_expired", "task_token_expired",
    ),
    "not yet valid": (
        lambda s: s.ours(iat=int(time.time()) + 60, exp=int(time.time()) + 90), "identity_invalid",
        "task_token_lifetime",
    ),
    "times that are texts": (lambda s: s.ours(exp="9999999999"), "identity_invalid", "task_token_claim: exp"),
    "a claim of another kind": (lambda s: s.ours(events={}), "identity_invalid", "task_token_claims"),
    "another typ": (lambda s: by_us(s.signer, s.second, {"typ": "JWT"}), "identity_invalid", "task_token_type"),
    # of the provider's token
    "the provider's: alg none": (
        lambda s: changed(s.orchestrators, head={"alg": "none"}), "identity_invalid", "token_algorithm",
    ),
    "the provider's: HS256 with its public key": (
        lambda s: by_hmac(s.orchestrators, published_key(s.it.idp.jwks_url)), "identity_invalid", "token_algorithm",
    ),
    "the provider's: PS256 said of it": (
        lambda s: changed(s.orchestrators, head={"alg": "PS256"}), "identity_invalid", "token_algorithm",
    ),
    "the provider's: another's key": (
        lambda s: by_mallory(s.orchestrators, alg="RS256"), "identity_invalid", "token_signature",
    ),
    "the provider's: signed by us": (
        lambda s: by_us(s.signer, s.orchestrators, {"alg": "ES256", "kid": s.signer.key_id}), "identity_invalid",
        "token_algorithm",
    ),
    "the provider's: another sub": (
        lambda s: changed(s.orchestrators, sub="researcher"), "identity_invalid", "token_signature",
    ),
    "the provider's: for somebody else": (
        lambda s: s.it.idp.own("orchestrator", "orchestrator", "https://else.test", time.time()), "identity_invalid",
        "token_audience",
    ),
    "the provider's: a human's": (lambda s: s.human, "agent_unknown", ""),
}  # fmt: skip


def test_no_forgery_gets_past_the_proxy(tmp_path: Path) -> None:
    """On CONNECT with each: refused with the reason, and by the check that is meant for it; never an error of ours."""

    async def main() -> None:
        async with house(tmp_path) as it:
            scene = await scene_of(it)
            for good in (scene.second, scene.first, scene.orchestrators):
                assert (await it.presented(good))[0] in {200, 403}
            assert await it.presented(scene.second) == (200, "")
            for name, (forge, reason, check) in AT_THE_PROXY.items():
                token = forge(scene)
                status, told = await it.presented(token)
                assert (name, told) == (name, reason)
                assert status == (403 if reason == "agent_unknown" else 407), name
                assert (await _internal(it, token)).startswith(check), (name, await _internal(it, token))
            assert await it.presented(scene.second) == (200, "")

    asyncio.run(main())


async def _internal(it: House, token: str) -> str:
    """Which check refuses it: for the record only, so it is asked for where the proxy asks."""
    try:
        await it.core.resolver.prove(Evidence("", (("bearer", token),)), time.time(), it.core.inventory())
    except Refused as refused:
        return refused.refusal.internal
    raise AssertionError("it proves somebody")
