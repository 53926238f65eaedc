"""The token endpoint over a core: which tokens are ours, and what makes them. Without an issuer there are none."""

from typing import TYPE_CHECKING

from proxy.control.oauth.needs import OAuthDeps
from proxy.control.oauth.server import TokenServer
from proxy.downstream.own_tokens import OwnTxnTokens
from proxy.errors import CountersignError
from proxy.identity.assertion_svids import AssertionSvids
from proxy.identity.assertions import AssertionVerifier
from proxy.own_host import OWN_HOST

if TYPE_CHECKING:
    from proxy.app.core import Core


def token_server(core: "Core") -> TokenServer | None:
    """What answers for tokens, by every door; None if no `identity.token_issuer` is set."""
    deps = oauth_deps(core)
    return None if deps is None else TokenServer(deps)


def oauth_deps(core: "Core") -> OAuthDeps | None:
    """What the token endpoint works with; None if no `identity.token_issuer` is set."""
    own = core.own_tokens
    if own is None:
        return None
    if core.signer is None:
        raise CountersignError("task tokens have no signing key (this is a bug)")
    signer, domain = core.signer, core.settings.downstream.trust_domain
    svids = core.workloads.svids_for(own.issuer)
    return OAuthDeps(
        issuer=own.issuer,
        audience=own.audience,
        resolver=core.resolver,
        tokens=core.tokens,
        assertions=AssertionVerifier(own.issuer, core.store),
        own=own,
        sign=core.signer.sign,
        tasks=core.tasks,
        feed=core.feed,
        revoke=core.revocations.revoke,
        inventory=core.inventory,
        record=core.recorder.append,
        clock=core.clock,
        replays=core.store,
        jwks=core.signer.jwks,
        txn_tokens=None if domain is None else OwnTxnTokens(domain, core.signer.jwks, lambda: signer.epoch),
        svids=None if svids is None else AssertionSvids(svids, core.resolver.of_verified),
        own_host=OWN_HOST,
        certificates=core.workloads.knows_certificates and core.settings.listen.proxy_tls is not None,
    )
