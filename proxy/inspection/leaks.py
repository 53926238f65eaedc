"""No secret that we inject comes back to the agent: answers are scanned for it, in every plain disguise.

An arbitrary transformation (encryption, a checksum, one character a message) cannot be seen by anyone;
short-lived upstream credentials answer that, not this file.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from proxy.errors import Refusal, Refused
from proxy.inspection.disguises import Units, could_begin, encoded, pattern_of, units
from proxy.stages import Headers, Secret


class Leaked(Refused):
    """The answer holds a secret. `reference` says which. What came before it may have gone out; nothing of it did."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        super().__init__(
            Refusal(
                "secret_leaked",
                502,
                "The service's answer held a credential that must not reach an agent, so the answer was cut. "
                "The call itself was executed.",
                internal=f"the answer held {reference}",
            )
        )


@dataclass(frozen=True, slots=True)
class _Needles:
    """The disguises of one secret: whole forms, and a pattern for what is escaped here and there, if anything can be.

    The `folded` ones are in lower case. `starts` finds where one may begin.
    """

    reference: str
    forms: tuple[bytes, ...] = field(repr=False)
    units: Units = field(repr=False)
    pattern: re.Pattern[bytes] | None = field(repr=False)
    folded: tuple[bytes, ...] = field(repr=False)
    folded_pattern: re.Pattern[bytes] | None = field(repr=False)
    longest: int
    starts: re.Pattern[bytes] = field(repr=False)


class LeakScanner:
    """Passes a body on, piece by piece, unless it holds a secret. Holds back only what could be the start of one."""

    def __init__(self, secrets: tuple[Secret, ...]) -> None:
        self._needles = tuple(_needles(secret) for secret in secrets)
        self._held = b""
        self._leaked: str | None = None

    def feed(self, chunk: bytes) -> bytes:
        """What may go on to the agent now; raises `Leaked` as soon as a secret is complete."""
        if not self._needles:
            return chunk
        if self._leaked is not None:
            raise Leaked(self._leaked)
        data = self._held + chunk
        hold = 0
        for needles in self._needles:
            if _holds(data, needles.forms, needles.pattern):
                self._held, self._leaked = b"", needles.reference
                raise Leaked(needles.reference)
            hold = max(hold, _unfinished(data, needles))
        keep = len(data) - hold
        self._held = data[keep:]
        return data[:keep]

    def end(self) -> bytes:
        """The rest, now that nothing follows: the start of a secret alone is none."""
        rest, self._held = self._held, b""
        return rest


def scan_headers(headers: Headers, secrets: tuple[Secret, ...]) -> None:
    """Raises `Leaked` if a header's name or value holds a secret."""
    if not secrets:
        return
    # Names are compared without case, so a secret in one may come back in another case.
    folded = "\n".join(f"{name}: {value}" for name, value in headers).encode("utf-8", "surrogateescape").lower()
    for secret in secrets:
        needles = _needles(secret)
        if _holds(folded, needles.folded, needles.folded_pattern):
            raise Leaked(secret.reference)


def is_readable(headers: Headers) -> bool:
    """Whether an answer's body comes as it is. An encoded one cannot be scanned, so it must not be passed on."""
    codings = {value.strip().lower() for name, value in headers if name.lower() == "content-encoding"}
    return codings <= {"identity", ""}


def _holds(data: bytes, forms: tuple[bytes, ...], pattern: re.Pattern[bytes] | None) -> bool:
    return any(map(data.__contains__, forms)) or (pattern is not None and pattern.search(data) is not None)


def _unfinished(data: bytes, needles: _Needles) -> int:
    """The length of the longest end of `data` that a disguise begins with."""
    at = max(0, len(data) - needles.longest + 1)
    while match := needles.starts.search(data, at):
        tail = data[match.start() :]
        if any(form.startswith(tail) for form in needles.forms) or could_begin(needles.units, tail):
            return len(tail)
        at = match.start() + 1
    return 0


@lru_cache(maxsize=256)
def _needles(secret: Secret) -> _Needles:
    if not secret.value:
        raise ValueError(f"{secret.reference}: an empty secret cannot be looked for")
    found = encoded(secret.value)
    # A form that contains another one is found with it.
    forms = tuple(sorted(form for form in found if not any(other in form for other in found if other != form)))
    # INVARIANT: among these is how `proxy.credentials.placing` writes a secret into a query.
    spelled = units(secret.value)
    small = tuple(tuple(dict.fromkeys(form.lower() for form in unit)) for unit in spelled)
    first = {form[:1] for form in (*forms, *(spelled[0] if spelled else ()))}
    return _Needles(
        secret.reference,
        forms,
        spelled,
        pattern_of(spelled) if spelled else None,
        tuple({form.lower() for form in forms}),
        pattern_of(small) if spelled else None,
        max(*map(len, forms), sum(len(unit[0]) for unit in spelled)),
        re.compile(b"[" + b"".join(map(re.escape, sorted(first))) + b"]"),
    )
