"""Requests to transmitters and receivers: to configured addresses only, with a bound on time and size."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import httpx

from proxy.credentials.references import References
from proxy.errors import Refused

MAX_ANSWER = 1 << 20


class NoAnswer(Exception):
    """The other side cannot be asked, or does not answer as it should; the text says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    body: bytes


class Peer:
    """One address. Its connection is kept; the secret is read anew for each request, since it may change."""

    def __init__(self, url: str, secret: str | None, ca_bundle: str | None, references: References) -> None:
        self._url = url
        self._secret = secret
        self._references = references
        tls = httpx.create_ssl_context()
        if ca_bundle is not None:
            tls.load_verify_locations(cafile=str(Path(ca_bundle)))
        # The environment's proxy settings are left out, since they may name us.
        self._client = httpx.AsyncClient(verify=tls, trust_env=False, follow_redirects=False, timeout=None)  # noqa: S113 - each request has one

    async def close(self) -> None:
        """The connection ends."""
        await self._client.aclose()

    async def post(self, body: bytes, *, content_type: str, within: float) -> Answer:
        """What the other side answers; raises `NoAnswer`."""
        headers = {"content-type": content_type, "accept": "application/json", "accept-encoding": "identity"}
        try:
            if self._secret is not None:
                headers["authorization"] = f"Bearer {self._references.read(self._secret).value}"
            async with asyncio.timeout(within):
                return await self._post(body, headers)
        except Refused as refused:
            raise NoAnswer(f"the token cannot be read: {refused.refusal.internal}") from refused
        except TimeoutError as error:
            raise NoAnswer(f"{self._url}: no answer within {within:.0f} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NoAnswer(f"{self._url}: {type(error).__name__}") from error

    async def _post(self, body: bytes, headers: dict[str, str]) -> Answer:
        async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise NoAnswer(f"{self._url}: an encoded answer, which was not asked for")
            found = bytearray()
            async for part in response.aiter_raw():
                found += part
                if len(found) > MAX_ANSWER:
                    raise NoAnswer(f"{self._url}: more than {MAX_ANSWER} bytes")
        return Answer(response.status_code, bytes(found))


class Patience:
    """How long to wait after a failure: longer each time, and a moment again after a success."""

    def __init__(self, shortest: float = 0.5, longest: float = 60.0) -> None:
        self._shortest = shortest
        self._longest = longest
        self._failures = 0

    def succeeded(self) -> bool:
        """True if it had failed before."""
        had, self._failures = self._failures > 0, 0
        return had

    def failed(self) -> tuple[float, bool]:
        """Seconds to wait now, and whether this is the first failure after a success."""
        self._failures += 1
        wait = self._shortest * 2 ** min(self._failures - 1, 16)
        return min(self._longest, wait), self._failures == 1
