"""Which request header fields go on, which are taken off, and which make a request ambiguous.

Names with `_` are judged with their `-` twin, because many servers cannot tell the two apart.
"""

from enum import Enum, auto


class Rule(Enum):
    """What happens to a field of a given name."""

    KEEP = auto()
    ONCE = auto()  # goes on, but two of it are refused
    READ = auto()  # steers the message or shows who is calling: read here, and rebuilt if it goes on
    DROP = auto()
    REFUSE = auto()


_READ = frozenset(
    {
        "host", "content-length", "transfer-encoding", "content-encoding", "connection", "expect", "upgrade",
        "trailer", "traceparent", "proxy-authorization", "authorization", "x-api-key",
    }
)  # fmt: skip
_ONCE = frozenset(
    {
        "content-type", "content-range", "cookie", "range", "date", "origin", "referer", "user-agent", "if-match",
        "if-none-match", "if-modified-since", "if-unmodified-since", "idempotency-key", "sec-websocket-key",
        "sec-websocket-version",
    }
)  # fmt: skip
# Hop-by-hop (RFC 9110 section 7.6.1), traces and baggage of the agent, and what claims to come from a proxy: which
# certificate was shown to it (RFC 9440 section 2.4), or who signed in at it.
_DROP = frozenset(
    {
        "keep-alive", "te", "http2-settings", "alt-used", "sec-websocket-extensions", "tracestate", "baggage",
        "txn-token", "forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip",
        "cf-connecting-ip", "x-original-host", "x-original-forwarded-for", "client-ip", "x-remote-user",
        "remote-user", "remote-name", "remote-email", "remote-groups", "x-remote-email", "x-remote-group",
        "x-remote-groups", "x-authenticated-user", "x-webauth-user", "client-cert", "client-cert-chain",
        "x-client-cert", "x-client-certificate", "x-ssl-cert", "b3", "uber-trace-id",
    }
)  # fmt: skip
_DROP_PREFIXES = (
    "proxy-", "workload-", "x-forwarded-", "x-countersign-", "countersign-", "x-envoy-", "x-workload-",
    "x-ssl-client-", "ssl-client-", "x-amzn-mtls-", "x-amzn-oidc-", "x-ms-client-principal", "x-goog-iap-",
    "x-goog-authenticated-user-", "cf-access-", "x-auth-request-", "x-pomerium-", "x-authentik-", "x-remote-extra-",
    "tailscale-user-", "x-b3-", "uberctx-",
)  # fmt: skip
# They ask the server to act on another method or path than the one that is judged, or, with the credential that is
# given to this agent, as somebody else (Kubernetes, GitLab).
_REFUSE = frozenset(
    {
        "x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url",
        "x-original-method", "x-override-url", "x-original-uri", "x-original-path", "x-rewrite-uri",
        "impersonate-user", "impersonate-group", "impersonate-uid", "sudo",
    }
)  # fmt: skip
_REFUSE_PREFIXES = ("impersonate-extra-",)

_LIMIT = 4096
_LONGEST = 64  # a name that is remembered; a client may send others, as long as a head, before it is known who it is
_known: dict[str, Rule] = {}


def rule_for(name: str) -> Rule:
    """The rule for a field of this lower-case name."""
    rule = _known.get(name)
    if rule is None:
        rule = _judge(name)
        if len(_known) < _LIMIT and len(name) <= _LONGEST:
            _known[name] = rule
    return rule


def _judge(name: str) -> Rule:
    twin = name.replace("_", "-")
    if twin in _REFUSE or twin.startswith(_REFUSE_PREFIXES):
        return Rule.REFUSE
    if twin in _DROP or (twin.startswith(_DROP_PREFIXES) and twin != "proxy-authorization"):
        return Rule.DROP
    if twin in _READ or twin in _ONCE:
        if twin != name:
            return Rule.REFUSE
        return Rule.READ if twin in _READ else Rule.ONCE
    if twin != name and twin.startswith("mcp-"):
        return Rule.REFUSE  # it would route a message that is compared with the real one's only
    return Rule.KEEP
