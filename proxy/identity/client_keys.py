"""An agent's, or a service's, own keys, as the inventory has them: with these it signs its assertions (RFC 7517)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from proxy.identity.key_sets import KeySet, read_key_set

ALGORITHMS = ("ES256", "EdDSA")


@dataclass(frozen=True, slots=True)
class _Profile:
    issuer: str
    algorithms: tuple[str, ...] = ALGORITHMS
    key_use: str = "sig"


def client_keys(client: str, keys: Sequence[Mapping[str, JsonValue]]) -> KeySet:
    """Those of them that can verify anything; none, if they are too many to be read."""
    try:
        return read_key_set(json.dumps({"keys": [dict(key) for key in keys]}).encode(), _Profile(client))
    except ValueError:
        return KeySet({}, frozenset())
