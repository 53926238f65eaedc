"""Refusals of evidence: the agent has not shown who it is, so it is asked to (RFC 9110 sections 11.7 and 15.5.8)."""

from dataclasses import replace

from proxy.errors import Refusal, Refused, refuse

# Basic first: every client tested answers the first scheme that it knows, and all of them know this one.
CHALLENGES = (
    ("Proxy-Authenticate", 'Basic realm="countersign"'),
    ("Proxy-Authenticate", 'Bearer realm="countersign"'),
)

_HOW = (
    " Start the agent with `countersign run`, or give it a handle:"
    " the password in its proxy's address, http://AGENT:HANDLE@HOST:PORT, or the bearer token at the gateway."
)
_DETAILS = {
    "identity_missing": "No credential was presented, so it is not known which agent is calling." + _HOW,
    "identity_malformed": "What was presented as a credential cannot be read as exactly one credential." + _HOW,
    "identity_invalid": "The credential that was presented is not valid here.",
    "identity_expired": "The credential that was presented has expired. Get a new one.",
    "identity_revoked": "The credential that was presented has been revoked.",
    "identity_conflict": "The credentials that were presented do not belong together, so none of them counts.",
}


def unproven(reason: str, internal: str = "") -> Refused:
    """The 407 to raise for evidence that proves nothing. `internal` says which check failed, for the record only."""
    return refuse(reason, 407, _DETAILS[reason], "authenticate", internal=internal, headers=CHALLENGES)


def for_gateway(refusal: Refusal) -> Refusal:
    """The same refusal for an agent that takes us for the origin: 401, asking with `WWW-Authenticate`."""
    if refusal.status != 407:
        return refusal
    headers = tuple(
        ("WWW-Authenticate" if name.lower() == "proxy-authenticate" else name, value)
        for name, value in refusal.headers or CHALLENGES
    )
    return replace(refusal, status=401, headers=headers)
