"""Trace ids in and out (W3C Trace Context level 2). What comes in is never trusted to decide anything.

An inbound `traceparent` can neither switch recording off nor choose our trace id: by default a new trace is
begun and the inbound one is kept as a link.
"""

import re
from dataclasses import dataclass
from typing import Literal

from telemetry.ids import random_bytes

type Origin = Literal["continued", "restarted", "generated"]

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
SAMPLED_RANDOM = "03"
"""Always sampled, and the trace id is random."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """What a caller said about its trace. Its flags are not kept: nothing here may depend on them."""

    trace: str
    span: str


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The ids of one call: `span` is our SERVER span, `up` the CLIENT span that the upstream sees."""

    trace: str
    span: str
    up: str
    origin: Origin
    inbound: Inbound | None = None

    @property
    def traceparent(self) -> str:
        """For the upstream."""
        return f"00-{self.trace}-{self.up}-{SAMPLED_RANDOM}"


def parse_traceparent(text: str) -> Inbound | None:
    """None for anything malformed: then a new trace is begun, and nothing of it is passed on."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    version, trace, span, _, rest = found.groups()
    if version == "ff" or trace == _NO_TRACE or span == _NO_SPAN or (version == "00" and rest):
        return None
    return Inbound(trace, span)


def begin(traceparent: str | None = None, *, continue_trusted: bool = False) -> TraceContext:
    """Fresh ids for a call. `continue_trusted` only for an agent registered to have its trace ids believed."""
    fresh = random_bytes(32).hex()
    inbound = parse_traceparent(traceparent) if traceparent else None
    origin: Origin = "restarted" if traceparent else "generated"
    trace = fresh[:32]
    if inbound is not None and continue_trusted:
        trace, origin = inbound.trace, "continued"
    return TraceContext(trace, fresh[32:48], fresh[48:], origin, inbound)
