"""The keys that we sign with, changed by the operator before their time: some may have been read by others."""

from collections.abc import Mapping

from policies.model import Json
from proxy.control.callers import Caller
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps
from proxy.errors import Declined


class KeyDesk:
    """The operator's lever."""

    def __init__(self, caller: Caller, deps: ControlDeps, journal: Journal) -> None:
        self._caller = caller
        self._deps = deps
        self._journal = journal

    async def rotate(self, use: str, reason: str, *, withdraw: bool) -> Mapping[str, Json]:
        """Another key signs when this returns, and if asked for, none of the earlier ones counts here any more."""
        if not self._caller.is_operator:
            raise Declined(403, "operator_required", "only the operator does this, over the local socket")
        keys, why = self._deps.keys.get(use), required_reason(reason)
        if keys is None:
            known = ", ".join(f"`{name}`" for name in self._deps.keys) or "none"
            raise Declined(404, "keys_unknown", f"nothing is signed here with keys of `{use}`: there are {known}")
        before, kind = keys.key_id, "withdraw" if withdraw else "rotate"
        await self._journal.write("keys.rotated", f"keys:{use}", kind=kind, reason=why, details=[f"signed={before}"])
        try:
            keys.rotate(self._deps.clock(), withdraw=withdraw)
        except OSError as error:
            raise Declined(
                503, "keys_not_stored", f"the keys stay as they were, since they cannot be stored: {error.strerror}"
            ) from error
        return {"use": use, "signs": keys.key_id, "signed": before, "withdrawn": withdraw}
