"""Which request header fields go on."""

import pytest

from proxy.listener.headers import Rule, rule_for


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["accept", "x-request-id", "mcp-session-id", "x-goog-api-key", "cache-control"], Rule.KEEP),
        (["content-type", "cookie", "idempotency-key"], Rule.ONCE),
        (["host", "connection", "authorization", "proxy-authorization", "expect"], Rule.READ),
        (["te", "keep-alive", "proxy-connection", "proxy_connection", "baggage"], Rule.DROP),
        (["txn-token", "txn_token", "x-forwarded-for"], Rule.DROP),
        (["workload-identity-token", "workload_identity_token", "countersign-agent", "x_countersign_agent"], Rule.DROP),
        (["x_forwarded_host", "forwarded", "x-real-ip", "x_real_ip", "tracestate", "remote_user"], Rule.DROP),
        (["client-cert", "client_cert", "client-cert-chain", "x-client-cert", "x-ssl-client-verify"], Rule.DROP),
        (["ssl-client-subject-dn", "x-amzn-mtls-clientcert-leaf", "x-ms-client-principal"], Rule.DROP),
        (["x-amzn-oidc-data", "x-goog-iap-jwt-assertion", "x-goog-authenticated-user-email"], Rule.DROP),
        (["cf-access-jwt-assertion", "x-auth-request-user", "x_auth_request_email", "x-pomerium-claim-id"], Rule.DROP),
        (["remote-email", "remote_groups", "x-remote-group", "x-remote-extra-scopes", "x-webauth-user"], Rule.DROP),
        (["tailscale-user-login", "x-authentik-username", "b3", "x-b3-traceid", "uberctx-user"], Rule.DROP),
        (["x-http-method-override", "x_http_method_override", "x-rewrite-url", "x_original_url"], Rule.REFUSE),
        (["impersonate-user", "impersonate_group", "impersonate-extra-scopes", "sudo"], Rule.REFUSE),
        (["x-original-uri", "mcp_method", "mcp_name", "mcp-name_", "mcp_param_region"], Rule.REFUSE),
        (["content_length", "transfer_encoding", "content_type", "proxy_authorization"], Rule.REFUSE),
    ],
)  # fmt: skip
def test_rules(names: list[str], rule: Rule) -> None:
    """Each name has its rule, and its twin with underscores is never treated better."""
    assert {name: rule_for(name) for name in names} == dict.fromkeys(names, rule)


def test_rules_do_not_pile_up() -> None:
    """A stream of invented names does not fill our memory, and their rule is still right."""
    assert {rule_for(f"x-invented-{number}") for number in range(10_000)} == {Rule.KEEP}
    assert rule_for("x-forwarded-invented") is Rule.DROP
