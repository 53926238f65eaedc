"""What must be true of the story that a log tells, beyond its bytes being the ones that were signed."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from telemetry.record import unix_nanoseconds

SKEW_SECONDS = 10
"""Records are written in the order in which they became known; their clocks may differ by the queue's age."""
_MOST_CALLS = 200_000


@dataclass(slots=True)
class _Call:
    permitted: bool = False
    resumed: bool = False


@dataclass(slots=True)
class CallRules:
    """Feed every record in order; `check` yields what is wrong with it. Memory is bounded.

    `granted` are the holds whose approval is on record elsewhere (another process writes its own log).
    A log whose beginning was pruned cannot show what came before: `from_start` False keeps to what it can.
    """

    granted: set[str] = field(default_factory=set)
    from_start: bool = True
    _latest: int = 0
    _calls: OrderedDict[str, _Call] = field(default_factory=OrderedDict)

    def check(self, record: Mapping[str, Any]) -> Iterator[str]:
        kind = record.get("type")
        call_id = str(record.get("call", ""))
        approval = _section(record, "approval")
        if kind == "approval.decided" and approval.get("state") == "granted":
            self.granted.add(str(approval.get("id", "")))
        if not call_id:
            return
        call = self._call(call_id)
        if kind == "call.decided":
            call.permitted = _section(record, "decision").get("outcome") == "allow"
        elif kind == "call.resumed":
            yield from self._check_resumed(approval)
            call.permitted = call.resumed = True
        elif kind in ("call.forwarded", "call.completed") and not call.permitted and self.from_start:
            yield f"call {call_id} went upstream, but no decision before this allows it"
        if kind in ("call.completed", "call.aborted", "call.refused"):
            self._calls.pop(call_id, None)

    def check_time(self, record: Mapping[str, Any]) -> Iterator[str]:
        """A clock that was set back shows here. That is worth a look, but it is not a changed log."""
        try:
            at = unix_nanoseconds(str(record.get("ts")))
        except ValueError as error:
            yield str(error)
            return
        if at < self._latest - SKEW_SECONDS * 1_000_000_000:
            yield f"its time {record.get('ts')} is more than {SKEW_SECONDS} s before that of an earlier record"
        self._latest = max(self._latest, at)

    def _check_resumed(self, approval: Mapping[str, Any]) -> Iterator[str]:
        hold = str(approval.get("id", ""))
        if not hold or not approval.get("by"):
            yield "a held call was released, but the record names no approval"
        elif hold not in self.granted and self.from_start:
            yield f"a held call was released, but no approval of hold {hold} is on record before it"

    def _call(self, call_id: str) -> _Call:
        call = self._calls.get(call_id)
        if call is None:
            call = self._calls[call_id] = _Call()
            if len(self._calls) > _MOST_CALLS:
                self._calls.popitem(last=False)
        return call


def _section(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = record.get(name)
    return section if isinstance(section, Mapping) else {}
