"""Giving people a way in, which is the operator's to do, and taking it away."""

from urllib.parse import urlencode

from proxy.control.callers import Caller
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps
from proxy.control.people import TOKEN_LIFE, Issued
from proxy.errors import Declined


class WaysIn:
    """Tokens and sign-in links of people. A person may end their own ways in, and nobody else's."""

    def __init__(self, caller: Caller, deps: ControlDeps, journal: Journal) -> None:
        self._caller = caller
        self._deps = deps
        self._journal = journal

    async def issue_token(self, person: str, ttl: float | None) -> Issued:
        """A personal token, shown once."""
        self._operator_only()
        self._known(person)
        life = TOKEN_LIFE if ttl is None else ttl
        await self._journal.write("person.token_issued", f"person:{person}", kind="token", details=[f"ttl={int(life)}"])
        return await self._deps.people.issue_token(person, ttl=life, by=self._caller.name, now=self._deps.clock())

    async def issue_sign_in_link(self, person: str) -> tuple[str, Issued]:
        """An address that signs this person in, once."""
        self._operator_only()
        self._known(person)
        if not self._deps.origins:
            raise Declined(409, "no_console", "the console is not served, so there is nowhere to sign in")
        await self._journal.write("person.link_issued", f"person:{person}", kind="sign_in_link")
        issued = await self._deps.people.issue_sign_in_code(person, by=self._caller.name, now=self._deps.clock())
        return f"{self._deps.origins[0]}/sign-in?{urlencode({'code': issued.secret})}", issued

    async def end_all(self, person: str, reason: str) -> int:
        """Every token, code and session of this person is dead; says how many were live."""
        own = self._caller.person is not None and self._caller.person.id == person
        if not own:
            self._operator_only()
        why = required_reason(reason)
        await self._journal.write("person.signed_out", f"person:{person}", kind="end_all", reason=why)
        return await self._deps.people.revoke_all(person, self._deps.clock())

    def _operator_only(self) -> None:
        if not self._caller.is_operator:
            raise Declined(403, "operator_required", "only the operator does this, over the local socket")

    def _known(self, person: str) -> None:
        known = self._deps.inventory().people.get(person)
        if known is None or not known.active:
            raise Declined(404, "person_unknown", "there is no such active person in the inventory")
