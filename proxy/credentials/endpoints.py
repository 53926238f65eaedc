"""The requests by which we obtain credentials: verified TLS, no redirects, bounded in time and size."""

import asyncio
import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from policies.model import Json
from proxy.credentials.references import unavailable
from proxy.errors import Refused
from proxy.facts import Obtained
from proxy.strict_json import loads

WITHIN_SECONDS = 10.0
MAX_BYTES = 64 * 1024

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class EndpointReply:
    """What an endpoint answered. The body may hold a secret, so it is in no message."""

    url: str
    status: int
    body: bytes = field(repr=False)

    def members(self, *statuses: int) -> dict[str, Json]:
        """The JSON object of an answer with one of these statuses; anything else is a refusal."""
        if self.status not in statuses:
            raise self.unusable(f"status {self.status}{self._code()}")
        members = self._object()
        if members is None:
            raise self.unusable("not a JSON object")
        return members

    def unusable(self, why: str) -> Refused:
        """The refusal because of this answer."""
        return unavailable(self.url, why)

    def _code(self) -> str:
        """The error code of OAuth (RFC 6749 section 5.2), if it has one; never free text, which may quote us."""
        code = (self._object() or {}).get("error")
        return f" {code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""

    def _object(self) -> dict[str, Json] | None:
        try:
            value = loads(self.body)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


class Endpoints:
    """Speaks to the endpoints that bindings name, and to nothing that their answers point to."""

    def __init__(self) -> None:
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    async def call(
        self, binding: Obtained, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> EndpointReply:
        """The answer of this endpoint, whatever its status; a redirect, or no whole answer in time, is a refusal."""
        if not _may_call(url, binding):
            raise unavailable(url, "an endpoint is `https://`")
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                return await self._call(binding, method, url, headers, content)
        except TimeoutError:
            raise unavailable(url, f"no answer within {WITHIN_SECONDS:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise unavailable(url, type(error).__name__) from None  # the cause may quote what was sent

    async def _call(
        self, binding: Obtained, method: str, url: str, headers: Mapping[str, str], content: bytes
    ) -> EndpointReply:
        said = {"accept": "application/json", "accept-encoding": "identity", **headers}
        verify = self._tls(binding.ca_bundle)
        async with (
            # The environment's proxy settings are left out, since they may name us.
            httpx.AsyncClient(verify=verify, trust_env=False, follow_redirects=False, timeout=WITHIN_SECONDS) as client,
            client.stream(method, url, headers=said, content=content) as response,
        ):
            if 300 <= response.status_code < 400:
                raise unavailable(url, f"a redirect ({response.status_code})")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise unavailable(url, "an encoded answer, which was not asked for")
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > MAX_BYTES:
                    raise unavailable(url, f"more than {MAX_BYTES} bytes")
        return EndpointReply(url, response.status_code, bytes(body))

    def _tls(self, ca_bundle: str | None) -> ssl.SSLContext:
        """Made once for each bundle: reading the system's roots takes tens of milliseconds."""
        context = self._contexts.get(ca_bundle)
        if context is None:
            context = httpx.create_ssl_context()
            if ca_bundle is not None:
                context.load_verify_locations(cafile=ca_bundle)
            self._contexts[ca_bundle] = context
        return context


def _may_call(url: str, binding: Obtained) -> bool:
    parts = urlsplit(url)
    if parts.username is not None or not parts.hostname:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and binding.unsafe_http_loopback and _is_loopback(parts.hostname)
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
