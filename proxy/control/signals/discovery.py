"""A transmitter's keys, found by its own configuration document (SSF 1.0 section 7), where that is wanted."""

from pathlib import Path
from urllib.parse import urlsplit

from proxy.identity.origins import Fetched, FetchFailed, UrlOrigin
from proxy.strict_json import loads

_MAX_DOCUMENT = 65_536


class DiscoveredOrigin:
    """Keys from the `jwks_uri` of the document at `url`, if that is of this issuer, and the keys are on its host.

    Both are read anew each time, so that keys which moved are followed; whoever answers for the issuer's host could
    give us any keys anyway, and nobody else can.
    """

    interval = UrlOrigin.interval

    def __init__(self, issuer: str, url: str, ca_bundle: Path | None) -> None:
        self._issuer = issuer
        self._url = url
        self._ca_bundle = ca_bundle
        self._document = UrlOrigin(url, ca_bundle)
        self._keys: tuple[str, UrlOrigin] | None = None

    async def fetch(self) -> Fetched:
        """The keys; `FetchFailed` if the document, or what it points to, is not to be believed."""
        found = self._jwks_uri((await self._document.fetch()).body)
        if self._keys is None or self._keys[0] != found:
            self._keys = (found, UrlOrigin(found, self._ca_bundle))
        return await self._keys[1].fetch()

    def _jwks_uri(self, body: bytes) -> str:
        try:
            said = loads(body, max_bytes=_MAX_DOCUMENT, max_depth=16)
        except ValueError as error:
            raise FetchFailed(f"{self._url}: {error}") from error
        if not isinstance(said, dict) or said.get("issuer") != self._issuer:
            raise FetchFailed(f"{self._url}: not the document of `{self._issuer}`")
        uri = said.get("jwks_uri")
        if not isinstance(uri, str) or _place(uri) != _place(self._url):
            raise FetchFailed(f"{self._url}: its `jwks_uri` is not on the same host")
        return uri


def configuration_url(issuer: str) -> str:
    """Where an issuer's document is: `/.well-known/ssf-configuration`, before the issuer's own path."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/ssf-configuration{parts.path.rstrip('/')}"


def _place(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ("", url)
    return (parts.scheme, parts.netloc)
