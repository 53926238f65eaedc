"""What is told of an end: CAEP `session-revoked`, about a subject that the receiver can know."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from policies.model import Json
from proxy.control.signals.model import Outgoing, Receiver, Telling
from proxy.control.signals.words import SESSION_REVOKED, VERIFICATION
from proxy.facts import Inventory
from proxy.facts.common import Subject
from proxy.stages import Principal
from proxy.tasks.interfaces import Revocation
from proxy.tasks.task import Task
from telemetry.ids import new_id

# What is heard is not told again: two houses that tell each other would never stop.
_HEARD = "transmitter:"
_SCOPES = {"agent": "agent", "business_process": "process"}
_ADMIN = re.compile(r"(?:person|operator)\b")

type FindTask = Callable[[str], Awaitable[Task | None]]


@dataclass(frozen=True, slots=True)
class Author:
    """Makes the claims of our tokens. `issuer` is ours."""

    issuer: str
    inventory: Callable[[], Inventory]
    find_task: FindTask

    async def telling(self, revocation: Revocation, receiver: Receiver, now: float) -> Telling | None:
        """What this receiver is told of this end; None if it is none of its business."""
        kind = revocation.scope.partition(":")[0]
        if revocation.kind != "revoke" or kind not in receiver.kinds or revocation.by.startswith(_HEARD):
            return None
        transaction = new_id("txn")
        events: dict[str, Json] = {SESSION_REVOKED: _event(revocation)}
        tokens = [
            self._token(receiver, subject, events, now, transaction)
            for subject in await self._subjects(revocation.scope, receiver)
        ]
        return Telling(receiver.id, revocation.scope, revocation.at, tuple(tokens))

    def verification(self, receiver: Receiver, now: float, state: str | None = None) -> Outgoing:
        """A sign of life (SSF 1.0 section 8.1.4), with what a receiver that asked for it knows it by."""
        body: dict[str, Json] = {} if state is None else {"state": state}
        return self._token(receiver, _opaque(receiver.id), {VERIFICATION: body}, now, new_id("txn"))

    def _token(
        self, receiver: Receiver, subject: dict[str, Json], events: dict[str, Json], now: float, transaction: str
    ) -> Outgoing:
        token_id = new_id("set")
        claims: dict[str, Json] = {
            "iss": self.issuer,
            "jti": token_id,
            "iat": int(now),
            "aud": receiver.audience,
            "txn": transaction,
            "sub_id": subject,
            "events": events,
        }
        return Outgoing(receiver.id, token_id, now, claims)

    async def _subjects(self, scope: str, receiver: Receiver) -> list[dict[str, Json]]:
        kind, _, name = scope.partition(":")
        if receiver.by_scope:
            return [_opaque(scope)]
        match kind:
            case "agent" | "principal":
                return self._known(Principal("agent" if kind == "agent" else "human", name))
            case "task":
                return await self._of_task(name)
        return [_opaque(scope)]

    async def _of_task(self, task_id: str) -> list[dict[str, Json]]:
        task = await self.find_task(task_id)
        if task is None:
            return [_opaque(f"task:{task_id}")]
        session: dict[str, Json] = {"session": _opaque(f"task:{task_id}")}
        root = task.delegation.root
        return [{"format": "complex", "user": one, **session} for one in self._known(root)]

    def _known(self, who: Principal) -> list[dict[str, Json]]:
        """As others may know them: by each identity, else by e-mail, else by our own name for them."""
        inventory = self.inventory()
        agent, person = inventory.agents.get(who.id), inventory.people.get(who.id)
        if who.kind == "agent" and agent is not None:
            return _identities(agent.identities) or [_opaque(f"agent:{who.id}")]
        if who.kind == "human" and person is not None:
            known = _identities(person.identities)
            return known or [_email(person.email) if person.email else _opaque(f"principal:{who.id}")]
        issuer, bar, subject = who.id.partition("|")
        if bar:
            return [{"format": "iss_sub", "iss": issuer, "sub": subject}]
        return [_opaque(f"{_SCOPES.get(who.kind, 'principal')}:{who.id}")]


def _identities(identities: Iterable[Subject]) -> list[dict[str, Json]]:
    return [{"format": "iss_sub", "iss": one.issuer, "sub": one.subject} for one in identities]


def _email(address: str) -> dict[str, Json]:
    return {"format": "email", "email": address}


def _opaque(text: str) -> dict[str, Json]:
    return {"format": "opaque", "id": text}


def _event(revocation: Revocation) -> dict[str, Json]:
    return {
        "event_timestamp": int(revocation.at),
        "initiating_entity": "admin" if _ADMIN.match(revocation.by) else "policy",
        "reason_admin": {"en": revocation.reason[:500] or "ended"},
    }
