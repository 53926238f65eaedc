"""The keys that we sign with, changed by the operator before their time: some may have been read by others."""

from collections.abc import Mapping

from policies.model import Json
from proxy.control.callers import Caller
from proxy.control.ending import EndingDesk
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps, SigningKeys
from proxy.errors import Declined
from proxy.identity.lineage import scope_of_key


class KeyDesk:
    """The operator's lever."""

    def __init__(self, caller: Caller, deps: ControlDeps, journal: Journal, ending: EndingDesk) -> None:
        self._caller = caller
        self._deps = deps
        self._journal = journal
        self._ending = ending

    async def rotate(self, use: str, reason: str, *, withdraw: bool) -> Mapping[str, Json]:
        """Another key signs when this returns, and if asked for, none of the earlier ones counts here any more.

        Nor does what was begun with their task tokens. That comes first, so that nothing of it hangs on a full disk.
        """
        if not self._caller.is_operator:
            raise Declined(403, "operator_required", "only the operator does this, over the local socket")
        keys, why = self._deps.keys.get(use), required_reason(reason)
        if keys is None:
            known = ", ".join(f"`{name}`" for name in self._deps.keys) or "none"
            raise Declined(404, "keys_unknown", f"nothing is signed here with keys of `{use}`: there are {known}")
        before, kind = keys.key_id, "withdraw" if withdraw else "rotate"
        await self._journal.write("keys.rotated", f"keys:{use}", kind=kind, reason=why, details=[f"signed={before}"])
        note = await self._end(use, keys, why) if withdraw else ""
        try:
            keys.rotate(self._deps.clock(), withdraw=withdraw)
        except OSError as error:
            dead = "no task token counts until they can be; " if withdraw and self._scopes(use, keys) else ""
            raise Declined(
                503,
                "keys_not_stored",
                f"the keys stay as they were, since others cannot be stored: {dead}{error.strerror}",
            ) from error
        return {"use": use, "signs": keys.key_id, "signed": before, "withdrawn": withdraw, "note": note}

    async def _end(self, use: str, keys: SigningKeys, why: str) -> str:
        """Ends whatever hangs on these keys; what the operator must know of how far that went."""
        done = [await self._ending.revoke(scope, why) for scope in self._scopes(use, keys)]
        return next((one.note for one in done if one.note), "")

    def _scopes(self, use: str, keys: SigningKeys) -> tuple[str, ...]:
        issuer = self._deps.token_issuer if use == "calls" else ""
        return tuple(scope for name in keys.key_ids for scope in scope_of_key(issuer, name)) if issuer else ()
