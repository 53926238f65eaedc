"""A bearer proof with an id of its own counts once: whoever has read it on its way gets nothing for it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from proxy.control.oauth.mistakes import OAuthMistake
from proxy.identity.interfaces import ReplayStore

_KEPT = 60.0  # seconds after its end for which a used one is remembered: more than any tolerance


@dataclass(frozen=True, slots=True)
class Once:
    """A proof: as which parameter it came, whose it is and which one, when it ends, and how often it counts."""

    parameter: str
    issuer: str
    id: str
    expires: float
    uses: int = 1

    def name(self, turn: int) -> str:
        """What stands in the store for its use of this number."""
        kept = hashlib.sha256(f"{self.parameter}\0{self.issuer}\0{self.id}\0{turn}".encode()).hexdigest()
        return f"proof:{kept}"


async def spend(proofs: Iterable[Once], replays: ReplayStore, now: float) -> None:
    """Counts one use of each, durably, before anything follows from it; `invalid_grant` for one that has none left."""
    for proof in proofs:
        if not await _spent(proof, replays, now):
            again = "once" if proof.uses == 1 else f"{proof.uses} times"
            raise OAuthMistake("invalid_grant", f"this `{proof.parameter}` counts {again}, and was used before")


async def _spent(proof: Once, replays: ReplayStore, now: float) -> bool:
    for turn in range(proof.uses):
        if await replays.use_once(proof.name(turn), proof.expires + _KEPT, now):
            return True
    return False
