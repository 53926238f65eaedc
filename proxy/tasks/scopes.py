"""How a revocation's scope is written. A scope that matches nothing would be a kill switch that kills nothing."""

import re

from proxy.errors import CountersignError

_ID = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"
_OURS = r"[A-Za-z0-9_.-]{1,128}"
_ANY = r"[\x21-\x7e]{1,256}"
_FOREIGN = r"[\x21-\x7b\x7d\x7e]{1,512}\|[\x21-\x7e]{1,2048}"

_KINDS = {
    "team": re.compile(_ID),
    "owner": re.compile(_ID),
    "process": re.compile(_ID),
    "partner": re.compile(_ID),
    "agent": re.compile(_ID),
    "instance": re.compile(rf"{_ID}/{_ANY}"),
    "class": re.compile(r"utility|privileged"),
    "service": re.compile(_ID),
    "credential": re.compile(_ID),
    "principal": re.compile(rf"{_ID}|{_FOREIGN}"),
    "token": re.compile(_FOREIGN),
    "key": re.compile(_FOREIGN),
    "task": re.compile(_OURS),
    "handle": re.compile(_OURS),
    "connection": re.compile(_OURS),
    "tool": re.compile(rf"{_ID}/{_ANY}"),
}


# How to write what is more than an id.
_SHOWN = {
    "instance": "AGENT/ID of an instance",
    "tool": "SERVICE/NAME of a tool",
    "token": "ISSUER|ID of a token",
    "key": "ISSUER|NAME of a key",
    "principal": "person's id, or ISSUER|SUBJECT",
    "task": "task id (task_...)",
    "handle": "handle id (hnd_...)",
    "connection": "connection id (conn_...)",
    "class": "class: utility or privileged",
}


def checked_scope(scope: str) -> str:
    """The scope itself, if it is written as one; `CountersignError` says how to write it otherwise."""
    if scope == "global":
        return scope
    kind, _, name = scope.partition(":")
    pattern = _KINDS.get(kind)
    if pattern is None:
        known = ", ".join(_KINDS)
        raise CountersignError(f"`{_shown(scope)}` is not a scope: write `global`, or one of {known} as `kind:id`")
    if not pattern.fullmatch(name):
        what = _SHOWN.get(kind, f"{kind} id, which has small letters, digits, `.`, `_` and `-`")
        raise CountersignError(f"`{_shown(scope)}` is not a scope: `{_shown(name)}` is no {what}")
    return scope


def _shown(text: str) -> str:
    """With a letter that only looks like the right one, or that cannot be seen, as what it is."""
    return ascii(text)[1:-1]
