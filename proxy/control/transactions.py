"""What was behind a transaction token: who asked for the call, through whom, and how each hop was shown to us."""

import re
from collections.abc import Mapping
from typing import Any

from policies.model import Json
from proxy.control.callers import Caller, speaks_for
from proxy.control.calls import CallDesk
from proxy.control.needs import ControlDeps
from proxy.control.stories import Story, story_of
from proxy.errors import Declined
from proxy.tasks.delegation import Link
from proxy.tasks.task import Task

_TXN = re.compile(r"[0-9a-f]{32}")  # `txn` of the token, which is the trace of its call
_TOLD = (
    "call", "at", "agent", "owner", "service", "tool", "operation", "digest", "decision", "mode", "policy_version",
    "hold", "ending", "status",
)  # fmt: skip


class TransactionDesk:
    """For whoever may see the call, and for those who answer for the service that was told of it."""

    def __init__(self, caller: Caller, deps: ControlDeps, calls: CallDesk) -> None:
        self._caller = caller
        self._deps = deps
        self._calls = calls

    async def get(self, txn: str) -> dict[str, Json]:
        """The call of this transaction, and its chain with the evidence of each hop. Unknown and not visible are the
        same answer."""
        told = await self._deps.records.of_transaction(txn) if _TXN.fullmatch(txn) else ()
        if not told:
            raise _unknown()
        record = told[-1]
        story = story_of(await self._deps.records.of_call(str(record["call"])))
        if not self._calls.sees(story) and not self._is_told(story):
            raise _unknown()
        task = await self._deps.tasks.find(str(story["task"])) if story["task"] else None
        return {
            "txn": txn,
            "jti": record["downstream"]["txn"],
            **{name: story[name] for name in _TOLD},
            "task": story["task"],
            "purpose": task.purpose if task is not None else None,
            "shown": {"method": story["proven_by"], "id": story["credential_id"]},
            **(_recorded(record) if task is None else _delegated(task)),
        }

    def _is_told(self, story: Story) -> bool:
        service = self._deps.inventory().services.get(str(story["service"]))
        person = self._caller.person
        return service is not None and person is not None and speaks_for(person, service, self._deps.clock())


def _delegated(task: Task) -> dict[str, Json]:
    """As the task has it. Asserted hops are among them: what they say was proven by nobody."""
    root = task.root
    hops: list[Json] = [_hop(link) for link in task.delegation.links]
    return {"root": f"{root.kind}:{root.id}", "hops": hops}


def _hop(link: Link) -> Json:
    proof = link.proof
    said: dict[str, Json] = {
        "to": f"{link.delegate.kind}:{link.delegate.id}",
        "level": proof.level,
        "method": proof.method,
        "grant": link.grant,
        "at": link.at,
        "evidence": proof.evidence,
        "digest": link.digest,
    }
    if proof.presence is not None:
        said |= {"auth_time": proof.presence.at, "acr": proof.presence.acr, "amr": [*proof.presence.amr]}
    return said


def _recorded(record: Mapping[str, Any]) -> dict[str, Json]:
    """As the log has it: under no task of ours, or under one that was forgotten, there is no more to tell."""
    said = record["delegation"]
    steps = zip(said["chain"][1:], said["levels"], said["methods"], strict=True)
    hops: list[Json] = [{"to": to, "level": level, "method": method} for to, level, method in steps]
    return {"root": said["chain"][0], "hops": hops}


def _unknown() -> Declined:
    return Declined(404, "transaction_unknown", "there is no such transaction in the log, or it is not yours to see")
