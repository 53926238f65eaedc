"""The rules of an agent's, or a service's, own keys: public signing keys, each with a name (RFC 7517)."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from proxy.errors import Mistake
from proxy.facts import Agent, Service
from proxy.inventory.read import Entry

# Any of these in a key means that whoever reads the inventory can sign as the agent.
_SECRET = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})
_KINDS = {("EC", "P-256"): ("x", "y"), ("OKP", "Ed25519"): ("x",)}


def wrong_client_keys(entry: Entry[Agent] | Entry[Service]) -> Iterator[Mistake]:
    """Every mistake within its `client_keys`. None of the sentences repeats what stands in a key."""
    names: set[str] = set()
    for index, key in enumerate(entry.fact.client_keys):
        at = ("client_keys", index)
        if not _SECRET.isdisjoint(key):
            yield entry.mistake("is a private key: replace it at once, and give its public half here", *at)
            continue
        if wrong := _wrong(key):
            yield entry.mistake(wrong, *at)
        name = key.get("kid")
        if not isinstance(name, str) or not name or len(name) > 256 or name in names:
            yield entry.mistake("needs a `kid` of its own, which the agent's assertions name", *at)
        else:
            names.add(name)


def _wrong(key: Mapping[str, JsonValue]) -> str:
    members = _KINDS.get((str(key.get("kty")), str(key.get("crv"))))
    if members is None:
        return "must be an EC key on P-256 (ES256) or an OKP key on Ed25519 (EdDSA)"
    if not all(isinstance(key.get(member), str) for member in members):
        return f"lacks {' or '.join(f'`{member}`' for member in members)}"
    if key.get("use", "sig") != "sig" or key.get("key_ops", ["verify"]) != ["verify"]:
        return "is not for verifying signatures: `use: sig`"
    return ""
