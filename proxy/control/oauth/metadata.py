"""What the authorization server tells of itself (RFC 8414, RFC 8705 section 5): no word of what is not served."""

from policies.model import Json
from proxy.control.oauth.details import TYPE
from proxy.control.oauth.grants import GRANTS
from proxy.control.oauth.needs import OAuthDeps
from proxy.identity.client_keys import ALGORITHMS

_ENDPOINTS = {
    "token_endpoint": "/oauth2/token",
    "introspection_endpoint": "/oauth2/introspect",
    "revocation_endpoint": "/oauth2/revoke",
}


def metadata(deps: OAuthDeps) -> dict[str, Json]:
    """The document. `client_secret_basic` is a connection handle as the password: there are no client secrets."""
    issuer = deps.issuer
    methods: list[Json] = ["private_key_jwt", "client_secret_basic"]
    if deps.svids is not None:
        methods.append("spiffe_jwt")
    told: dict[str, Json] = {
        "issuer": issuer,
        **{name: f"{issuer}{path}" for name, path in _ENDPOINTS.items()},
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": [*GRANTS],
        "authorization_details_types_supported": [TYPE],
    }
    if deps.own_host and deps.certificates:
        methods.append("tls_client_auth")
        told["mtls_endpoint_aliases"] = {name: f"https://{deps.own_host}{path}" for name, path in _ENDPOINTS.items()}
        told["tls_client_certificate_bound_access_tokens"] = True
    algorithms: list[Json] = [*ALGORITHMS]
    for name in _ENDPOINTS:
        told[f"{name}_auth_methods_supported"] = methods
        told[f"{name}_auth_signing_alg_values_supported"] = algorithms
    return told
