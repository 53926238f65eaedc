"""Every kind of credential binding that there is."""

from collections.abc import Callable, Mapping
from typing import Any

from proxy.credentials.interfaces import CredentialKind
from proxy.credentials.kinds.aws_sigv4 import AwsSigV4
from proxy.credentials.kinds.basic import Basic
from proxy.credentials.kinds.github_app import GitHubApp
from proxy.credentials.kinds.oauth_client_credentials import OAuthClientCredentials
from proxy.credentials.kinds.static import Static
from proxy.credentials.kinds.token_exchange import TokenExchange
from proxy.credentials.kinds.vault import Vault
from proxy.credentials.means import Means

# A kind gets only bindings of its own model: the broker looks both up by the same word.
KINDS: Mapping[str, Callable[[Means], CredentialKind[Any]]] = {
    "static": Static,
    "basic": Basic,
    "oauth_client_credentials": OAuthClientCredentials,
    "token_exchange": TokenExchange,
    "aws_sigv4": AwsSigV4,
    "github_app": GitHubApp,
    "vault": Vault,
}
