"""Codes as words for people. What has no word is shown as its code, never hidden."""

from datetime import UTC, datetime
from typing import Final

EFFECTS: Final = {
    "read": "Reads data",
    "write": "Changes data",
    "delete": "Deletes data",
    "execute": "Runs code",
    "communicate": "Sends a message",
    "pay": "Moves money",
    "admin": "Changes access or settings",
    "unknown": "Effect not known",
}
GRAVE: Final = frozenset({"delete", "execute", "pay", "admin", "unknown"})
TRUST: Final = {"internal": "inside the house", "partner": "a partner", "public": "the public internet"}
STATES: Final = {
    "pending": "Waiting for a decision",
    "approved": "Approved, not used yet",
    "releasing": "Approved, on its way",
    "executed": "Approved and executed",
    "not_executed": "Approved, but not executed",
    "outcome_unknown": "May or may not have happened",
    "denied": "Denied",
    "expired": "Ended: nobody decided in time",
    "lapsed": "Ended: approved, but not used in time",
    "cancelled": "Withdrawn by the agent",
    "revoked": "Taken back",
    "invalidated": "Ended: what was asked for has changed",
}
ENDINGS: Final = {
    "served": "Served",
    "refused": "Refused",
    "held": "Held",
    "in_flight": "Under way",
    "cut": "Broken off",
}
ROLES: Final = {
    "owner": "the agent's owner",
    "technical_owner": "the agent's technical owner",
    "deputy": "a deputy of the owner",
    "service_owner": "the service's owner",
    "dataset_owner": "the data's owner",
}
STANDINGS: Final = {
    "": "In force",
    "ended": "Ended by a person",
    "frozen": "Frozen by a person",
    "agent_disabled": "Disabled",
    "agent_owner_missing": "No owner",
    "agent_owner_unknown": "Owner unknown",
    "agent_owner_inactive": "Owner has left",
    "agent_expired": "Expired",
    "agent_review_overdue": "Review overdue",
    "agent_unattested": "Never attested as privileged",
    "partner_unknown": "Partner unknown",
    "partner_owner_inactive": "Nobody answers for the partner",
    "partner_contract_ended": "The partner's contract has ended",
    "process_disabled": "Disabled",
    "process_owner_inactive": "Owner has left",
    "process_expired": "Expired",
    "process_review_overdue": "Review overdue",
}
# Reasons that a review itself shows beside its date.
OF_REVIEWS: Final = frozenset({"agent_review_overdue", "agent_unattested", "process_review_overdue"})
TASK_STATES: Final = {
    "created": "Being begun",
    "active": "Under way",
    "suspended": "Suspended",
    "completed": "Completed",
    "expired": "Ended: its time was up",
    "revoked": "Ended by a person",
    "failed": "Failed",
}
LEVEL_MEANS: Final = {
    "verified": "we checked it ourselves",
    "endorsed": "somebody whom we trust for it says so",
    "asserted": "only claimed, and decides nothing",
}
LEVEL_MARKS: Final = {"verified": "✓", "endorsed": "◐", "asserted": "?"}
METHODS: Final = {
    "opaque_handle": "connection handle",
    "private_key_jwt": "the agent's own key",
    "jwt": "token of an issuer",
    "session": "console session",
    "token": "personal token",
    "local_operator": "the local operator's word",
    "access_token": "access token",
    "task_token": "task token",
    "txn_token": "transaction token",
    "jwt_svid": "JWT-SVID",
    "x509_svid": "X.509-SVID",
    "k8s_sa_token": "Kubernetes service-account token",
    "k8s_tokenreview": "Kubernetes service-account token, as its cluster confirms",
    "peercred": "local user, as the kernel says",
}
SCOPES: Final = {
    "agent": "Agent",
    "task": "Task",
    "handle": "Handle",
    "owner": "Owner",
    "instance": "Instance of an agent",
    "principal": "Person acted for",
    "process": "Business process",
    "partner": "Partner",
    "team": "Team",
    "class": "Class of agents",
    "service": "Service",
    "tool": "Tool",
    "credential": "Credential",
    "token": "Token",
    "key": "Key of an issuer",
    "connection": "Connection",
    "global": "Everything",
}
STOPS: Final = {"revoke": "Revoked", "freeze": "Frozen"}
DENIALS: Final = ("Not expected now", "Needs a ticket first", "Wrong target", "Too much at once")


def role(code: str) -> str:
    """`the agent's owner`, `someone of team support`, or the person's id."""
    kind, _, name = code.partition(":")
    match kind:
        case "team" if name:
            return f"someone of team {name}"
        case "person" if name:
            return name
        case _:
            return ROLES.get(code, code)


def method(code: str) -> str:
    """How a hop was shown: `personal token`, or its code where there is no word for it."""
    return METHODS.get(code, code)


def amount(number: float) -> str:
    """`10`, `12.5`, `1,000,000`: no more digits than there are."""
    return f"{number:,.6f}".rstrip("0").rstrip(".") if "." in f"{number:.6f}" else f"{number:,}"


def moment(at: float | None) -> str:
    """`2026-11-22 10:15:00 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "never"


def stamp(text: object) -> str:
    """A record's time, to the second: `2026-11-22 10:15:00 UTC`."""
    written = str(text)
    return f"{written[:10]} {written[11:19]} UTC" if len(written) >= 19 and written.endswith("Z") else written


def machine(at: float | None) -> str:
    """RFC 3339, for the `datetime` attribute."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def left(seconds: float) -> str:
    """`2 h 5 min left`, `14 min left`, `48 s left`, `time is up`."""
    whole = int(seconds)
    if whole <= 0:
        return "time is up"
    if whole < 120:
        return f"{whole} s left"
    hours, minutes = divmod(whole // 60, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h left"
    return f"{hours} h {minutes} min left" if hours else f"{minutes} min left"


def took(microseconds: object) -> str:
    """`1.5 ms`, `2.3 s`; nothing for nothing."""
    if not isinstance(microseconds, int):
        return ""
    return f"{microseconds / 1000:.1f} ms" if microseconds < 1_000_000 else f"{microseconds / 1_000_000:.1f} s"
