"""Refusals of callers whom nobody knows: enough is written down to see what goes on, too little to fill a disk."""

from collections import OrderedDict
from dataclasses import dataclass

from policies.model import Json
from proxy.peers import party
from telemetry.record import clip, timestamp

BURST = 100
PER_SECOND = 10.0
MOST_PEERS = 1024


@dataclass(slots=True)
class _Peer:
    left: float
    at: float
    untold: int = 0
    since: float = 0.0


class Crowd:
    """A bucket of single records for each peer. What does not fit is counted, and told as one record a minute."""

    def __init__(self) -> None:
        self._peers: OrderedDict[str, _Peer] = OrderedDict()

    def has_room(self, peer: str, now: float) -> bool:
        """Whether this refusal gets a record of its own; if not, it is counted."""
        peer = party(peer)
        known = self._peers.get(peer)
        if known is None:
            # A peer more than we keep in mind shares a bucket with all others of that kind.
            name = peer if len(self._peers) < MOST_PEERS else ""
            known = self._peers.setdefault(name, _Peer(BURST, now))
        known.left = min(BURST, known.left + max(0.0, now - known.at) * PER_SECOND)
        known.at = now
        if known.left >= 1:
            known.left -= 1
            return True
        known.since = known.since or now
        known.untold += 1
        return False

    def take_untold(self, now: float) -> list[dict[str, Json]]:
        """The records of what was only counted since the last time; peers that have gone quiet are forgotten."""
        records: list[dict[str, Json]] = []
        for name, peer in list(self._peers.items()):
            if peer.untold:
                records.append(_summary(name, peer, now))
                peer.untold, peer.since = 0, 0.0
            elif now - peer.at > BURST / PER_SECOND:
                del self._peers[name]
        return records


def _summary(name: str, peer: _Peer, now: float) -> dict[str, Json]:
    cause = f"refused before anybody was proven, from {name or 'many peers'}, faster than they are written singly"
    return {
        "type": "audit.gap",
        "at": now,
        "client": {"ip": clip(name, 64)},
        "gap": {"refused": peer.untold, "since": timestamp(peer.since), "until": timestamp(now), "cause": cause},
    }
