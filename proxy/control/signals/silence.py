"""A stream that says nothing for too long is an alarm: an end that we never heard of is no end."""

import logging
from collections.abc import Iterable

from policies.model import Json
from proxy.control.needs import Record
from proxy.control.signals.model import Transmitter

log = logging.getLogger("countersign.signals")


class Silence:
    """When each transmitter was last heard, and which are silent. What changes is logged and recorded, once."""

    def __init__(self, transmitters: Iterable[Transmitter], record: Record, now: float) -> None:
        self._transmitters = tuple(transmitters)
        self._record = record
        self._since = dict.fromkeys((one.issuer for one in self._transmitters), now)
        self._silent: set[str] = set()

    @property
    def silent(self) -> frozenset[str]:
        """The issuers that should have been heard, and were not."""
        return frozenset(self._silent)

    def heard_ago(self, now: float) -> dict[str, float]:
        """Seconds since each transmitter was heard; since the start for one that was not."""
        return {issuer: max(0.0, now - at) for issuer, at in self._since.items()}

    async def heard(self, transmitter: Transmitter, now: float) -> None:
        """A verified token of it came."""
        self._since[transmitter.issuer] = now
        if transmitter.issuer in self._silent:
            log.warning("%s is heard again", transmitter.name)
            self._silent.discard(transmitter.issuer)
            await self._write("signal.heard_again", transmitter, "events come again")

    async def look(self, now: float) -> None:
        """Raise the alarm for every stream that is silent for too long."""
        for one in self._transmitters:
            quiet = now - self._since[one.issuer]
            if one.heartbeat is None or one.issuer in self._silent or quiet <= one.heartbeat:
                continue
            self._silent.add(one.issuer)
            text = f"nothing was heard for {quiet:.0f} s; at least every {one.heartbeat:.0f} s was expected"
            log.error("%s is silent: %s: what it ended is not ended here", one.name, text)
            try:
                await self._write("signal.silent", one, text)
            except BaseException:
                self._silent.discard(one.issuer)  # told again, until it stands in the record
                raise

    async def _write(self, type_: str, transmitter: Transmitter, reason: str) -> None:
        change: dict[str, Json] = {
            "what": transmitter.name,
            "by": "countersign",
            "kind": "heartbeat",
            "reason": reason,
        }
        await self._record({"type": type_, "change": change})
