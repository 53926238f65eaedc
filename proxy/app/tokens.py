"""The token endpoint over a core: which tokens are ours, and what makes them. Without an issuer there are none."""

from proxy.app.core import Core
from proxy.control.oauth.needs import OAuthDeps
from proxy.errors import CountersignError
from proxy.identity.assertions import AssertionVerifier


def oauth_deps(core: Core) -> OAuthDeps | None:
    """What the token endpoint works with; None if no `identity.token_issuer` is set."""
    own = core.own_tokens
    if own is None:
        return None
    if core.signer is None:
        raise CountersignError("task tokens have no signing key (this is a bug)")
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
    )
