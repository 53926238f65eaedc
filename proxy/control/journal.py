"""What people and operators do is written down before it takes effect; what cannot be written is not done."""

from collections.abc import Mapping, Sequence

from policies.model import Json
from proxy.control.callers import Caller
from proxy.control.needs import Record
from proxy.errors import Declined

MAX_REASON = 500


class Journal:
    """Writes one caller's acts into the audit log, each with who, how proven, what and why."""

    def __init__(self, record: Record, caller: Caller) -> None:
        self._record = record
        self._caller = caller

    async def write(
        self,
        type_: str,
        what: str,
        *,
        kind: str,
        reason: str = "",
        details: Sequence[str] = (),
        sections: Mapping[str, Json] | None = None,
    ) -> int:
        """The index in the log, once durable. Raises when it is not; then the act must not happen."""
        entry = self.entry(type_, what, kind=kind, reason=reason, details=details)
        return await self._record({**entry, **(sections or {})})

    def entry(
        self, type_: str, what: str, *, kind: str, reason: str = "", details: Sequence[str] = ()
    ) -> dict[str, Json]:
        """What is written: for an act that records itself."""
        caller = self._caller
        proof = [f"channel={caller.channel}", f"assurance={caller.assurance}", f"proof={caller.proof}"]
        change: dict[str, Json] = {
            "what": what,
            "by": caller.name,
            "kind": kind,
            "reason": reason,
            "details": [*proof, *details],
        }
        return {"type": type_, "change": change}


def required_reason(text: str) -> str:
    """The reason, if a person gave one that can be kept whole."""
    reason = text.strip()
    if not reason:
        raise Declined(422, "reason_required", "say why in a few words; it is written down")
    if len(reason) > MAX_REASON:
        raise Declined(422, "reason_too_long", f"a reason has at most {MAX_REASON} characters")
    return reason
