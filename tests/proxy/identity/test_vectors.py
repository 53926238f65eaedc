"""What an independent issuer made: OpenBao's certificates and tokens, kept as it gave them out."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.identity.federation import BundleSource
from proxy.identity.issuers import IssuerSettings
from proxy.identity.svids import X509SvidVerifier
from proxy.identity.tokens import TokenVerifier
from proxy.identity.trust_domains import TrustDomainSettings

OPENBAO: dict[str, Any] = json.loads(Path(__file__).with_name("vectors").joinpath("openbao.json").read_bytes())
AT = float(OPENBAO["at"])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("by the root", ""),
        ("by an intermediate", ""),
        ("by another's root", "x509_path"),
        ("two URIs", "x509_uri_san_count"),
        ("the trust domain itself", "x509_spiffe_id"),
        ("for servers only", "x509_extended_key_usage"),
    ],
)
def test_certificates_of_openbao_are_judged_by_the_same_rules(tmp_path: Path, name: str, code: str) -> None:
    """Its good ones pass, by its root and by an intermediate; its odd ones do not."""
    entry = {"kty": "EC", "use": "x509-svid", "x5c": [OPENBAO["roots"]["a.example"]]}
    (tmp_path / "bundle").write_text(json.dumps({"keys": [entry]}))
    source = BundleSource(TrustDomainSettings("a.example", "us", bundle_file=tmp_path / "bundle"))
    chain = [base64.b64decode(one) for one in OPENBAO["chains"][name]]
    made = X509SvidVerifier([source]).verify(chain, AT)
    if not code:
        assert asyncio.run(made).subject == "spiffe://a.example/agent/x"
        return
    with pytest.raises(Refused) as caught:
        asyncio.run(made)
    assert caught.value.refusal.internal.partition(":")[0] == code


def test_a_token_of_openbao_is_verified_by_its_published_keys(tmp_path: Path) -> None:
    """An ES256 token without `typ`, by a key set of several keys."""
    (tmp_path / "jwks").write_text(json.dumps(OPENBAO["keys"]))
    issuer = "http://127.0.0.1:18200/v1/identity/oidc"
    profile = IssuerSettings(issuer, "countersign", ("ES256",), typ="", jwks_file=tmp_path / "jwks")
    shown = asyncio.run(TokenVerifier([profile]).verify(OPENBAO["token"], AT))
    assert (shown.issuer, shown.subject) == (issuer, "97247c48-b8ea-4539-fe27-7b8e156c18ac")
