"""What the authorization server tells of itself."""

from dataclasses import replace
from typing import Any

from proxy.control.oauth.metadata import metadata
from tests.fakes.token_house import OURS, TokenHouse


def test_it_tells_what_is_served_and_nothing_else(house: TokenHouse) -> None:
    """Client certificates only where connections may show some, JWT-SVIDs only where a trust domain is known."""
    methods = "token_endpoint_auth_methods_supported"
    bare: dict[str, Any] = metadata(replace(house.oauth, certificates=False))
    assert bare[methods] == ["private_key_jwt", "client_secret_basic"]
    assert "mtls_endpoint_aliases" not in bare
    assert "tls_client_certificate_bound_access_tokens" not in bare
    full: dict[str, Any] = metadata(replace(house.oauth, svids=house.svids))
    assert full[methods] == ["private_key_jwt", "client_secret_basic", "spiffe_jwt", "tls_client_auth"]
    assert full["mtls_endpoint_aliases"]["token_endpoint"] == "https://countersign.internal/oauth2/token"
    assert full["tls_client_certificate_bound_access_tokens"] is True
    assert full["token_endpoint"] == f"{OURS}/oauth2/token"
    for word in ("refresh", "authorization_endpoint", "none", "password"):
        assert f"'{word}" not in str(full)
