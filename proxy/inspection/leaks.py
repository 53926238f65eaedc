"""No secret that we inject comes back to the agent: answers are scanned for it, in every plain disguise.

An arbitrary transformation (encryption, a checksum, one character a message) cannot be seen by anyone;
short-lived upstream credentials answer that, not this file.
"""

import base64
import html
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, quote_plus

from proxy.errors import Refusal, Refused
from proxy.stages import Headers, Secret

_SHORTEST_DISGUISE = 6
# What JSON writers escape lest a browser take it for HTML: Go and Rails, Gson, .NET.
_HTML_IN_JSON = ("<>&", "<>&='", "<>&'+`")


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
    """The disguises of one secret, also in lower case, and what finds where one may begin."""

    reference: str
    forms: tuple[bytes, ...] = field(repr=False)
    folded: tuple[bytes, ...] = field(repr=False)
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
            if any(map(data.__contains__, needles.forms)):
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
        if any(map(folded.__contains__, _needles(secret).folded)):
            raise Leaked(secret.reference)


def is_readable(headers: Headers) -> bool:
    """Whether an answer's body comes as it is. An encoded one cannot be scanned, so it must not be passed on."""
    codings = {value.strip().lower() for name, value in headers if name.lower() == "content-encoding"}
    return codings <= {"identity", ""}


def _unfinished(data: bytes, needles: _Needles) -> int:
    """The length of the longest end of `data` that a disguise begins with."""
    at = max(0, len(data) - needles.longest + 1)
    while match := needles.starts.search(data, at):
        tail = data[match.start() :]
        if any(form.startswith(tail) for form in needles.forms):
            return len(tail)
        at = match.start() + 1
    return 0


@lru_cache(maxsize=256)
def _needles(secret: Secret) -> _Needles:
    raw = secret.value.encode("utf-8")
    if not raw:
        raise ValueError(f"{secret.reference}: an empty secret cannot be looked for")
    forms = {raw} | {form for form in _disguises(secret.value, raw) if len(form) >= _SHORTEST_DISGUISE}
    # A form that contains another one is found with it.
    minimal = tuple(sorted(form for form in forms if not any(other in form for other in forms if other != form)))
    starts = re.compile(b"[" + b"".join(re.escape(bytes([form[0]])) for form in minimal) + b"]")
    folded = tuple({form.lower() for form in minimal})
    return _Needles(secret.reference, minimal, folded, max(map(len, minimal)), starts)


def _disguises(text: str, raw: bytes) -> set[bytes]:
    # INVARIANT: the first is how `proxy.credentials.placing` writes a secret into a query.
    percent = {quote(text, safe=""), quote(text), quote_plus(text), "".join(f"%{byte:02X}" for byte in raw)}
    percent |= {re.sub(r"%..", lambda match: match[0].lower(), form) for form in percent}
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    escaped |= {form.replace("/", "\\/") for form in escaped}
    escaped |= {_with_escapes(form, special) for form in escaped for special in _HTML_IN_JSON}
    escaped |= {re.sub(r"\\u....", lambda match: "\\u" + match[0][2:].upper(), form) for form in escaped}
    escaped |= {html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&#x27;", "&#39;")}
    hexadecimal = {raw.hex(), raw.hex().upper()}
    forms = {form.encode("utf-8") for form in percent | escaped | hexadecimal}
    forms |= {text.encode(charset) for charset in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")}
    for shift in range(3):
        inside = _base64_inside(raw, shift)
        forms |= {inside, inside.replace(b"+", b"-").replace(b"/", b"_")}
    return forms


def _with_escapes(text: str, special: str) -> str:
    return "".join(f"\\u{ord(char):04x}" if char in special else char for char in text)


def _base64_inside(raw: bytes, shift: int) -> bytes:
    """The characters that only these bytes decide, if `shift` bytes (modulo 3) come before them."""
    encoded = base64.b64encode(b"\0" * shift + raw)
    return encoded[(shift * 8 + 5) // 6 : (shift + len(raw)) * 8 // 6]
