"""An issuer's keys, from the one place that is configured for them."""

from functools import partial

import jwt

from proxy.identity.compact import Unverified
from proxy.identity.issuers import IssuerSettings
from proxy.identity.key_sets import KeySet, read_key_set
from proxy.identity.origins import FileOrigin, Origin, UrlOrigin
from proxy.identity.sources import Source


class KeySource(Source[KeySet]):
    """The keys of one issuer."""

    def __init__(self, profile: IssuerSettings, origin: Origin | None = None) -> None:
        super().__init__(f"issuer {profile.issuer}", origin or _origin(profile), partial(read_key_set, profile=profile))

    async def holding(self, key_id: str | None, now: float) -> KeySet:
        """The keys that count at `now`, asked for anew (at most once an interval) if they lack this one."""
        keys = await self.current(now)
        if key_id is None or keys.find(key_id) is not None:
            return keys
        return await self.renewed(keys, now)

    async def key_of(self, unverified: Unverified, now: float) -> jwt.PyJWK | None:
        """The key that this token says it is signed with, if it is one of these."""
        return (await self.holding(unverified.key_id, now)).find(unverified.key_id)


def _origin(profile: IssuerSettings) -> Origin:
    if profile.jwks_file is not None:
        return FileOrigin(profile.jwks_file)
    assert profile.jwks_url is not None  # INVARIANT: IssuerSettings demands exactly one of the two
    return UrlOrigin(profile.jwks_url, profile.ca_bundle)
