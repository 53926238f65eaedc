"""Connection handles, as one caller may issue, see and revoke them."""

import contextlib
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from proxy.control.callers import Caller, seen_agents
from proxy.control.ending import Done, EndingDesk
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps
from proxy.control.tasks import handle_life, require_usable
from proxy.errors import Declined, StoreUnavailable
from proxy.identity.interfaces import HandleQuery, HandleRow
from proxy.inventory.ownership import standing
from proxy.names import identifier
from proxy.tasks.task import Task

MAX_TTL = 8 * 3600
MAX_PURPOSE = 200
_NOT_THEIRS = {"not_yours", "scope_invalid", "scope_unknown"}
_OURS = re.compile(r"task_[0-9a-f]{32}")


class HandleDesk:
    """Issuing is the operator's; an owner may see and revoke those of their agents."""

    def __init__(self, caller: Caller, deps: ControlDeps, journal: Journal, ending: EndingDesk) -> None:
        self._caller = caller
        self._deps = deps
        self._journal = journal
        self._ending = ending

    async def issue(
        self, *, agent: str, task: str | None, purpose: str, on_behalf_of: str | None, ttl: float | None
    ) -> tuple[str, HandleRow]:
        """A new handle, shown once, and its row."""
        if not self._caller.is_operator:
            raise Declined(403, "operator_required", "only the operator issues handles, over the local socket")
        now, life = self._deps.clock(), self._life(agent, ttl)
        self._check(agent, task, purpose, on_behalf_of, life)
        family = await self._family(task)
        if family:
            require_usable(family, agent, on_behalf_of, now)
            life = handle_life(family[0], now, life, asked=ttl is not None)
        await self._journal.write(
            "handle.issued",
            f"agent:{agent}",
            kind="handle",
            reason=purpose,
            details=[f"task={task or 'new'}", f"for={on_behalf_of or 'nobody'}", f"ttl={math.ceil(life)}"],
        )
        return await self._deps.handles.issue(
            agent=agent,
            purpose=purpose,
            ttl=life,
            issued_by=self._caller.name,
            now=now,
            task=task,
            on_behalf_of=on_behalf_of,
        )

    def _life(self, agent: str, ttl: float | None) -> float:
        """As long as it was asked for, or as usual: for a privileged agent no longer than such a handle may live."""
        inventory = self._deps.inventory()
        known = inventory.agents.get(agent)
        most = inventory.rules.privileged_handle_seconds
        if known is None or known.agent_class != "privileged":
            return self._deps.handle_ttl if ttl is None else ttl
        if ttl is not None and ttl > most:
            raise Declined(422, "ttl_out_of_range", f"a handle of a privileged agent lives at most {most} seconds")
        return min(self._deps.handle_ttl, most) if ttl is None else ttl

    async def list(
        self, *, agent: str | None, live: bool, before: tuple[float, str] | None = None, limit: int = 200
    ) -> list[HandleRow]:
        """The rows that this caller may see, the newest first, from `before` on; they hold no secret."""
        deps, now = self._deps, self._deps.clock()
        agents = seen_agents(self._caller, agent, deps.inventory(), deps.auditors, now)
        return [*await deps.handles.list(HandleQuery(agents, None, now if live else None, before, limit))]

    async def revoke(self, handle_id: str, reason: str) -> Done:
        """The handle is dead, and what runs under it is cut, whatever is broken: as ending its scope is."""
        try:
            done = await self._ending.revoke(f"handle:{handle_id}", reason)
        except Declined as declined:
            if declined.code not in _NOT_THEIRS:
                raise
            raise Declined(404, "handle_unknown", "there is no such handle, or it is not yours to revoke") from declined
        with contextlib.suppress(StoreUnavailable):  # its scope is ended all the same, and `done` says what is not kept
            await self._deps.handles.mark_revoked(
                handle_id, by=self._caller.name, reason=required_reason(reason), now=self._deps.clock()
            )
        return done

    async def _family(self, task: str | None) -> Sequence[Task]:
        """The task and what is above it; nothing for a name of the operator's own. A mistyped id is no such name."""
        if task is None:
            return ()
        family = await self._deps.tasks.family(task)
        if not family and _OURS.fullmatch(task) and not await self._deps.handles.agents_under([task]):
            raise Declined(404, "task_unknown", f"there is no task `{task}`")
        return family

    def _check(self, agent: str, task: str | None, purpose: str, on_behalf_of: str | None, life: float) -> None:
        inventory = self._deps.inventory()
        known = inventory.agents.get(agent)
        if known is None:
            raise Declined(404, "agent_unknown", f"there is no agent `{agent}` in the inventory")
        answered_for = standing(known, inventory, datetime.fromtimestamp(self._deps.clock(), UTC).date())
        if not answered_for.ok:
            raise Declined(409, answered_for.reason, answered_for.detail)
        person = inventory.people.get(on_behalf_of) if on_behalf_of is not None else None
        if on_behalf_of is not None and (person is None or not person.active):
            raise Declined(404, "person_unknown", f"there is no active person `{on_behalf_of}` in the inventory")
        if not 1 <= life <= MAX_TTL:
            raise Declined(422, "ttl_out_of_range", f"a handle lives 1 to {MAX_TTL} seconds")
        if len(purpose) > MAX_PURPOSE:
            raise Declined(422, "purpose_too_long", f"a purpose has at most {MAX_PURPOSE} characters")
        if task is not None:
            try:
                identifier(task)
            except ValueError as error:
                raise Declined(422, "task_invalid", str(error)) from error
