"""Responders: people of named teams who may stop anything in an incident, and bring back only what they stopped."""

from proxy.control.callers import Caller, Named, may_end
from proxy.facts import Inventory
from proxy.tasks.interfaces import Revocation

_PERSON = "person:"

# What somebody may answer for: only of these may an owner end anything.
OWNERS_KINDS = ("agent", "instance", "task", "handle", "process")


def may_respond(caller: Caller, responders: frozenset[str]) -> bool:
    """May they end anything at all? The operator, and people of these teams."""
    if caller.is_operator:
        return True
    return caller.person is not None and caller.person.active and not responders.isdisjoint(caller.person.teams)


class Levers:
    """What one caller may do about what is ended, by the facts of this moment."""

    def __init__(
        self, caller: Caller, inventory: Inventory, named: Named, responders: frozenset[str], now: float
    ) -> None:
        self._caller = caller
        self._inventory = inventory
        self._named = named
        self._now = now
        self._responds = may_respond(caller, responders)

    def end(self, scope: str) -> bool:
        """May they end this scope, or freeze it?"""
        return self._responds or self._answers(self._caller, scope)

    def lift(self, row: Revocation) -> bool:
        """May they lift it? What they ended, or what another who answers for it ended; the operator everything."""
        if self._caller.is_operator:
            return True
        if row.by == self._caller.name:
            return self.end(row.scope)
        return self._answers(self._caller, row.scope) and self._by_one_who_answers(row)

    def replace(self, row: Revocation) -> bool:
        """May they put theirs in its place? That puts their name on it, and so lets them lift it.

        A responder may, over somebody who answers for it: who then cannot lift it any more.
        """
        return self.lift(row) or (self._responds and self._by_one_who_answers(row))

    def _by_one_who_answers(self, row: Revocation) -> bool:
        person = self._inventory.people.get(row.by.removeprefix(_PERSON)) if row.by.startswith(_PERSON) else None
        return person is not None and self._answers(Caller(person, "api", "token", ""), row.scope)

    def _answers(self, caller: Caller, scope: str) -> bool:
        return may_end(caller, scope, self._inventory, self._named, self._now)
