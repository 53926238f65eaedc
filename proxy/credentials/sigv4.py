"""AWS Signature Version 4: the headers that sign one request. Pure.

Signed are the host, the content type, every `x-amz-*` header and the body's digest. S3 takes the path as it is,
encoded once; every other service takes it normalised and encoded twice.
"""

import hashlib
import hmac
import posixpath
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from proxy.stages import Headers, Request

ALGORITHM = "AWS4-HMAC-SHA256"
_S3 = frozenset({"s3", "s3express", "s3-outposts", "s3-object-lambda"})
_UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs. The key id is no secret; the other two are."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Scope:
    """For which region and service a signature counts."""

    region: str
    service: str


def sign(request: Request, keys: Keys, scope: Scope, now: float, payload: str | None = None) -> Headers:
    """The headers to put onto this request. `payload` says how the body is digested, if not by its SHA-256.

    INVARIANT: the `x-amz-*` headers and the content type of `request` are sent as they are, or not at all, which
    `proxy.credentials.strip` decides beforehand.
    """
    moment = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")
    payload = payload or hashlib.sha256(request.body).hexdigest()
    ours = [("x-amz-content-sha256", payload), ("x-amz-date", moment)]
    if keys.session_token:
        ours.append(("x-amz-security-token", keys.session_token))
    said = {name for name, _ in ours}
    signed = [(name, value) for name, value in request.headers if _is_signed(name) and name not in said]
    value = authorization(request, [("host", request.authority), *signed, *ours], payload, moment, keys, scope)
    return (("authorization", value), *ours)


def authorization(
    request: Request, headers: list[tuple[str, str]], payload: str, moment: str, keys: Keys, scope: Scope
) -> str:
    """The `Authorization` header that signs exactly these headers."""
    names, canonical = canonical_request(request, headers, payload, scope.service)
    where = f"{moment[:8]}/{scope.region}/{scope.service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{moment}\n{where}\n{hashlib.sha256(canonical.encode('utf-8')).hexdigest()}"
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in where.split("/"):
        key = hmac.digest(key, part.encode("ascii"), "sha256")
    signature = hmac.digest(key, to_sign.encode("ascii"), "sha256").hex()
    return f"{ALGORITHM} Credential={keys.access_key_id}/{where}, SignedHeaders={names}, Signature={signature}"


def canonical_request(request: Request, headers: list[tuple[str, str]], payload: str, service: str) -> tuple[str, str]:
    """The names of the signed headers, and the text that AWS makes of the same request."""
    by_name: dict[str, list[str]] = {}
    for name, value in headers:
        by_name.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = ";".join(sorted(by_name))
    lines = [f"{name}:{','.join(by_name[name])}" for name in sorted(by_name)]
    path = _path(request.path, service)
    return names, "\n".join([request.method, path, _query(request.query), *lines, "", names, payload])


def _is_signed(name: str) -> bool:
    return name == "content-type" or name.startswith("x-amz-")


def _path(path: str, service: str) -> str:
    if service in _S3:
        return quote(unquote_to_bytes(path), safe=f"/{_UNRESERVED}")
    normal = posixpath.normpath("/" + path.lstrip("/"))
    if path.endswith("/") and normal != "/":
        normal += "/"
    return quote(normal, safe=f"/{_UNRESERVED}")


def _query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    return "&".join(
        f"{name}={value}" for name, value in sorted((_once(name), _once(value)) for name, _, value in pairs)
    )


def _once(text: str) -> str:
    return quote(unquote_to_bytes(text), safe=_UNRESERVED)
