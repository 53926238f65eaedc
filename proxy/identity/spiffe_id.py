"""SPIFFE IDs and trust domains, in the one spelling that they have here (SPIFFE-ID section 2).

The specification lets a reader fold the case of scheme and trust domain. We take the canonical, lower-case spelling
alone, so that one identity is one text.
"""

import re
from dataclasses import dataclass

SCHEME = "spiffe://"
MAX_BYTES = 2048
MAX_TRUST_DOMAIN = 255

_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]+")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)+")


@dataclass(frozen=True, slots=True)
class SpiffeId:
    """One identity of a trust domain; `path` is empty for the trust domain itself."""

    trust_domain: str
    path: str

    @property
    def issuer(self) -> str:
        """What stands for the trust domain where the inventory names an issuer."""
        return SCHEME + self.trust_domain

    def __str__(self) -> str:
        return f"{SCHEME}{self.trust_domain}{self.path}"


def parse(text: str) -> SpiffeId:
    """The identity that this text is; `ValueError` with words if it is none."""
    if not text.startswith(SCHEME):
        raise ValueError("a SPIFFE ID starts with `spiffe://`, in lower case")
    if len(text) > MAX_BYTES:
        raise ValueError(f"a SPIFFE ID has at most {MAX_BYTES} bytes")
    name, slash, rest = text.removeprefix(SCHEME).partition("/")
    path = slash + rest
    if path and not _PATH.fullmatch(path):
        raise ValueError("the path of a SPIFFE ID is segments of letters, digits, `.`, `_` and `-`")
    return SpiffeId(trust_domain(name), path)


def parse_workload(text: str) -> SpiffeId:
    """The same for what a workload may be called: never the trust domain itself."""
    found = parse(text)
    if not found.path:
        raise ValueError("the SPIFFE ID of a workload has a path")
    return found


def trust_domain(text: str) -> str:
    """The text itself, if it can name a trust domain; `ValueError` otherwise."""
    if len(text) > MAX_TRUST_DOMAIN or not _TRUST_DOMAIN.fullmatch(text):
        raise ValueError(f"a trust domain is 1 to {MAX_TRUST_DOMAIN} of a-z, 0-9, `.`, `_`, `-`, such as prod.example")
    return text
