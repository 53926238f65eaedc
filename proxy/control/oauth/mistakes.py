"""Errors of the token endpoint, in the words of RFC 6749 section 5.2 and RFC 8693 section 2.2.2."""

from proxy.errors import CountersignError, Refusal


class OAuthMistake(CountersignError):
    """No token is issued. `error` is the code that clients read."""

    def __init__(self, error: str, description: str, status: int = 400, *, retry_after: int = 0) -> None:
        self.error = error
        self.status = status
        self.retry_after = retry_after or (1 if status == 503 else 0)
        super().__init__(description)


def invalid_client(why: str) -> OAuthMistake:
    """The client did not show who it is."""
    return OAuthMistake("invalid_client", why, 401)


# Verified, but not valid now: expired, revoked, or nobody answers for its holder any more.
_NO_LONGER = frozenset({"identity_expired", "identity_revoked"})


def unacceptable(what: str, refusal: Refusal) -> OAuthMistake:
    """What a refused subject or actor token is called: 503 if it could not be judged at all."""
    if refusal.status == 503:
        return OAuthMistake("temporarily_unavailable", refusal.detail, 503)
    if refusal.status == 403 or refusal.reason in _NO_LONGER or refusal.internal.endswith("_audience"):
        return OAuthMistake("invalid_grant", f"the {what} is expired, revoked, or not for us")
    return OAuthMistake("invalid_request", f"the {what} is not one that is accepted here")
