"""What an agent brings that could pass for a credential never goes upstream."""

from urllib.parse import unquote_plus

from proxy.stages import Headers, Injection

# Written with `-`; many servers take `_` for the same.
_CREDENTIALS = frozenset({
    "authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "apikey", "x-goog-api-key",
    "x-auth-token", "x-access-token", "private-token", "job-token", "x-vault-token", "x-amz-security-token",
    "x-amz-region-set",
    "x-functions-key", "ocp-apim-subscription-key", "x-shopify-access-token", "dpop",
    "token", "x-token", "auth-token", "access-token", "api-token", "x-api-token", "x-auth-key", "x-user-token",
    "x-gitlab-token", "x-github-token", "circle-token", "x-figma-token", "x-consul-token", "x-nomad-token",
    "dd-api-key", "dd-application-key", "x-honeycomb-team", "x-sentry-auth", "x-algolia-api-key",
    "x-typesense-api-key", "xi-api-key", "x-rapidapi-key", "x-subscription-token", "x-n8n-api-key",
    "x-redmine-api-key", "openai-api-key", "anthropic-api-key", "x-datadog-api-key",
    "workload-identity-token", "workload-proof-token", "txn-token",
})  # fmt: skip

_SIGNED_BY = frozenset({
    "x-amz-algorithm", "x-amz-credential", "x-amz-signature", "x-amz-security-token", "x-amz-signedheaders",
    "awsaccesskeyid", "signature",
})  # fmt: skip


def without_agent_credentials(headers: Headers, injection: Injection) -> Headers:
    """The headers without any credential of the agent's own, and without those that the injection sets.

    INVARIANT: `proxy.credentials.kinds.aws_sigv4` signs what this leaves, and nothing after it changes those headers.
    """
    ours = {_plain(name) for name, _ in injection.headers}
    return tuple([each for each in headers if (name := _plain(each[0])) not in _CREDENTIALS and name not in ours])


def agent_credentials(headers: Headers) -> tuple[str, ...]:
    """The names of what was stripped, for the record: an agent that holds a secret of its own is worth knowing."""
    return tuple(dict.fromkeys([name for name, _ in headers if _plain(name) in _CREDENTIALS]))


def signed_query(query: str) -> bool:
    """Whether this query holds a signature, or a part of one, as presigned URLs of AWS do (versions 4, 4a and 2)."""
    names = (unquote_plus(part.partition("=")[0]).lower() for part in query.split("&"))
    return any(name in _SIGNED_BY for name in names)


def _plain(name: str) -> str:
    plain = name.lower()
    return plain.replace("_", "-") if "_" in plain else plain
