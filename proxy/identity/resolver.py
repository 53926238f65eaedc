"""From evidence to exactly one agent, and from there to who it acts for and which person answers for it."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Protocol

from proxy.errors import Refused, refuse
from proxy.facts import Agent, Inventory
from proxy.identity.agreement import agreed
from proxy.identity.belonging import require_belonging
from proxy.identity.challenges import unproven
from proxy.identity.ends import ends_of_agent
from proxy.identity.handles import PREFIX, HandleService
from proxy.identity.lifetime import end_of, task_end
from proxy.identity.lineage import Keys, keys_of_issuers, read_unread, require_unwithdrawn, scope_of_key
from proxy.identity.methods import HANDLE, TASK_TOKEN
from proxy.identity.possession import held, thumbprint
from proxy.identity.processes import JudgeProcess, ProcessStanding, process_ends, process_scopes
from proxy.identity.subjects import Subjects
from proxy.identity.task_tokens import TaskToken, TaskTokenReader
from proxy.identity.token_cache import VerifiedToken
from proxy.identity.tokens import TokenVerifier
from proxy.identity.workloads import Workloads
from proxy.stages import Chain, Evidence, Hop, Identity, LocalPeer, Principal, Proven, Restraint, TaskBasis


class Standing(ProcessStanding, Protocol):
    """Who answers for an agent; without an owner, why none of its calls pass."""

    @property
    def deputy_for(self) -> str: ...


class JudgeStanding(Protocol):
    """Of this agent, or of one instance of it."""

    def __call__(self, agent: Agent, inventory: Inventory, today: date, instance: str = "") -> Standing: ...


type FindTask = Callable[[str], Awaitable[TaskBasis | None]]

_JWT = re.compile(r"[^.]*\.[^.]*\.[^.]*")
_DAY = 86_400
_MOST_KNOWN = 1 << 14  # above the 10,000 live ones of a large house: cycled through, a smaller cache misses every time
_SCHEMES = frozenset({"basic", "bearer"})


@dataclass(frozen=True, slots=True)
class _Known:
    """An identity that was judged under this very inventory on this day: all that the judgement rests on."""

    inventory: Inventory
    day: int
    identity: Identity


class Resolver:
    """Proves who presented evidence, and says what that means under the inventory in force.

    `standing` judges whether an agent has, today, a person who answers for it. `find_task` gives what a task
    that was begun here proves, and None for any other. `own` reads our own task tokens, if we mint any. `workloads`
    verifies what tells of a workload rather than of a client: SVIDs, service accounts, local processes.
    `process_standing` judges business processes; without it none stands.
    """

    def __init__(
        self,
        handles: HandleService,
        tokens: TokenVerifier,
        standing: JudgeStanding,
        find_task: FindTask,
        own: TaskTokenReader | None = None,
        workloads: Workloads | None = None,
        process_standing: JudgeProcess | None = None,
    ) -> None:
        self._handles = handles
        self._tokens = tokens
        self._standing = standing
        self._find_task = find_task
        self._own = own
        self._process_standing = process_standing
        self._workloads = workloads or Workloads()
        self._indexed: tuple[Inventory, Subjects] | None = None
        self._known: dict[str, _Known] = {}

    async def prove(self, evidence: Evidence, now: float, inventory: Inventory) -> Proven:
        """Who the evidence proves. All of it must be valid, and all of it must mean the same agent."""
        if evidence.malformed:
            raise unproven("identity_malformed", evidence.malformed)
        if not evidence.credentials and not evidence.certificates and evidence.local is None:
            raise unproven("identity_missing")
        pieces = [await self._prove_one(shown, now, inventory, evidence.peer) for shown in evidence.credentials]
        if evidence.certificates:
            shown = await self._workloads.certificates(evidence.certificates, now)
            pieces.append(self.of_verified(shown, inventory))
        if evidence.local is not None:
            pieces.extend(self._local(evidence.local, now, inventory, alone=not pieces))
        certificate = thumbprint(evidence.certificates)
        return await self._vouched_for(
            agreed([held(await self._under_task(piece), certificate) for piece in pieces]), now
        )

    def _local(self, peer: LocalPeer, now: float, inventory: Inventory, *, alone: bool) -> Iterator[Proven]:
        """The agent that runs as this user. A user who runs no agent shows nothing: a shim brings other evidence."""
        if not self._workloads.known_user(peer):
            if alone:
                raise unproven("identity_invalid", "peer_without_a_number_here")
            return
        shown = self._workloads.peer(peer, now)
        if alone or self._subjects(inventory).claimed(shown.issuer, shown.subject):
            yield self.of_verified(shown, inventory)

    def party(self, issuer: str, subject: str, inventory: Inventory, client: str | None = None) -> Principal | None:
        """The one party of the inventory, of any kind, with this identity; of a token, issued to this `client`."""
        subjects = self._subjects(inventory)
        demanded = subjects.client(issuer, subject)
        return subjects.party(issuer, subject) if client is None or demanded in {None, client} else None

    async def prove_task_token(self, token: str, shown: str, now: float) -> Proven:
        """Who holds this task token of ours, for somebody who proved to hold the key of the certificate `shown`."""
        assert self._own is not None  # only who mints tokens asks
        proven = held(await self._under_task(self._resolve_own(self._own.verify(token, now))), shown)
        return await self._vouched_for(proven, now)

    async def _vouched_for(self, proven: Proven, now: float) -> Proven:
        """The same, if the keys behind it are known: whether they still count is asked for every call."""
        await read_unread(proven.scopes, self._keys_of, now)
        return proven

    def _keys_of(self, issuer: str) -> Iterator[Keys]:
        if self._own is not None and issuer == self._own.issuer:
            yield self._own
        yield from self._tokens.keys_of(issuer)
        yield from self._workloads.keys_of(issuer)

    async def _prove_one(self, credential: tuple[str, str], now: float, inventory: Inventory, peer: str) -> Proven:
        scheme, value = credential
        if scheme not in _SCHEMES:
            raise unproven("identity_malformed", "a scheme that is neither Basic nor Bearer")
        if value.startswith(PREFIX):
            return await self._prove_handle(value, now)
        if self._own is not None and self._own.recognises(value):
            return self._resolve_own(self._own.verify(value, now))
        if _JWT.fullmatch(value):
            shown = await self._workloads.token(value, now, peer) or await self._tokens.verify(value, now)
            return self.of_verified(shown, inventory)
        raise unproven("identity_invalid", "neither a handle nor a token")

    async def _prove_handle(self, handle: str, now: float) -> Proven:
        row = await self._handles.find(handle, now)
        if row is None:
            raise unproven("identity_invalid", "unknown handle")
        return Proven(
            agent=row.agent,
            method=HANDLE,
            credential=row.id,
            issued_at=row.issued_at,
            not_after=row.not_after,
            task=row.task,
            on_behalf_of=row.on_behalf_of,
            scopes=(f"handle:{row.id}", f"task:{row.task}"),
            evidence=f"sha256:{row.digest}",
            made_at=row.issued_at,
        )

    def of_verified(self, token: VerifiedToken, inventory: Inventory) -> Proven:
        """Which agent this is of, that was verified here or elsewhere; a refusal if it is none's."""
        subjects = self._subjects(inventory)
        match = subjects.find(token.issuer, token.subject)
        if match is None:
            raise _unknown_agent(f"{token.issuer}|{token.subject}")
        if subjects.client(token.issuer, token.subject) not in {None, token.client}:
            raise _unknown_agent(f"{token.issuer}|{token.subject}, issued to the client `{token.client}`")
        task, instance = _standing_task(token), match.instance or token.instance
        return Proven(
            agent=match.agent,
            method=token.method,
            credential=token.token_id,
            issued_at=token.issued_at,
            not_after=token.not_after,
            task=task,
            instance=instance,
            scopes=(
                f"token:{token.issuer}|{token.token_id}",
                f"principal:{token.issuer}|{token.subject}",
                f"task:{task}",
                *_instance_scope(match.agent, instance),
                *scope_of_key(token.issuer, token.key),
            ),
            issuer=token.issuer,
            subject=token.subject,
            evidence=f"sha256:{token.digest}",
            keys=((token.issuer, self._epoch_of(token.issuer)),),
            client=token.client,
        )

    def _epoch_of(self, issuer: str) -> int:
        ours = self._own.epoch if self._own is not None and issuer == self._own.issuer else 0
        return ours + self._tokens.epoch_of(issuer) + self._workloads.epoch_of(issuer)

    async def refresh(self, now: float) -> None:
        """Keys that are due are read again, and who vouches is asked again: what they proved ends with them."""
        await asyncio.gather(self._tokens.refresh(now), self._workloads.refresh(now))

    def keep_vouched(self, scopes: Iterable[str], until: float) -> None:
        """Something with these scopes lives until then: whoever must stand by what is behind it is asked on."""
        for issuer, name in keys_of_issuers(scopes):
            self._workloads.keep_vouched(issuer, name, until)

    def _resolve_own(self, token: TaskToken) -> Proven:
        assert self._own is not None  # it has just read the token
        return Proven(
            agent=token.actor,
            method=TASK_TOKEN,
            credential=token.id,
            issued_at=token.issued_at,
            not_after=token.not_after,
            task=token.task,
            instance=token.instance,
            scopes=(
                f"token:{self._own.issuer}|{token.id}",
                f"task:{token.task}",
                *token.via,
                *scope_of_key(self._own.issuer, token.key_id),
                *_instance_scope(token.actor, token.instance),
            ),
            evidence=f"sha256:{token.digest}",
            keys=((self._own.issuer, self._epoch_of(self._own.issuer)),),
            bound_to=token.bound_to,
            made_at=token.issued_at,
        )

    async def _under_task(self, proven: Proven) -> Proven:
        """With what the task adds: its chain in place of anybody's word, its scopes, its end.

        Since it is as old as its task, whatever ended a party of the chain meanwhile ends it too.
        """
        basis = await self._find_task(proven.task)
        if basis is None and proven.method == TASK_TOKEN:
            raise unproven("identity_invalid", "task_token_of_no_task")
        if basis is None:
            return proven
        root = basis.chain.root
        human = root.id if root.kind == "human" else None
        if basis.agent != proven.agent or proven.on_behalf_of not in {None, human}:
            raise unproven("identity_conflict", f"task {proven.task} is of {basis.agent} for {human or 'nobody'}")
        return replace(
            proven,
            issued_at=min(proven.issued_at, basis.since),
            not_after=min(proven.not_after, basis.not_after),
            on_behalf_of=human,
            scopes=tuple(dict.fromkeys(proven.scopes + basis.scopes)),
            chain=basis.chain,
            behind=basis.behind,
            begun=((basis.agent, basis.since), *basis.above),
        )

    def _subjects(self, inventory: Inventory) -> Subjects:
        """Agents by issuer and subject, indexed once for each inventory."""
        if self._indexed is None or self._indexed[0] is not inventory:
            self._indexed = (inventory, Subjects(inventory))
        return self._indexed[1]

    def attribute(self, proven: Proven, inventory: Inventory, now: float) -> Identity:
        """The identity under this inventory at `now`; asked for every call, since people and owners change."""
        if now >= task_end(proven, inventory):  # asked again below, with all that is an end; this is for the words
            raise refuse(
                "task_ended",
                403,
                "The task that this call belongs to has ended: tasks of this kind of agent run no longer. "
                "Stop, and report what is left to do.",
                internal=f"task {proven.task}, under a privileged agent",
            )
        if not now < end_of(proven, inventory):
            raise refuse(
                "identity_expired", 403, "The credential of this connection has expired. Connect with a new one."
            )
        for issuer, epoch in proven.keys:
            if self._epoch_of(issuer) != epoch:
                raise refuse(
                    "identity_expired",
                    403,
                    "A key of this credential's issuer has been withdrawn. Connect again to show it anew.",
                    internal=f"keys of {issuer}: epoch {self._epoch_of(issuer)}, proven at {epoch}",
                )
        require_unwithdrawn(proven.scopes, self._keys_of, now)
        day = int(now // _DAY)
        known = self._known.get(proven.credential)
        # The connections of one credential prove the same again and again: equal is as good as identical.
        if (
            known is not None
            and known.inventory is inventory
            and known.day == day
            and (known.identity.proven is proven or known.identity.proven == proven)
        ):
            return known.identity
        identity = self._judge(proven, inventory, datetime.fromtimestamp(now, UTC).date())
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[proven.credential] = _Known(inventory, day, identity)
        return identity

    def stands(self, proven: Proven, inventory: Inventory, now: float) -> bool:
        """Whether somebody answers for this today, and every party of its chain stands. Its own end is not asked."""
        try:
            self._judge(proven, inventory, datetime.fromtimestamp(now, UTC).date())
        except Refused:
            return False
        return True

    def _judge(self, proven: Proven, inventory: Inventory, today: date) -> Identity:
        agent = inventory.agents.get(proven.agent)
        if agent is None:
            raise _unknown_agent(proven.agent)
        standing = self._standing(agent, inventory, today)
        if proven.instance and standing.owner is not None:  # a copy with an owner of its own stands with its agent only
            standing = self._standing(agent, inventory, today, proven.instance)
        owner = standing.owner
        if owner is None:
            raise refuse(
                standing.reason or "agent_refused", 403, standing.detail or "Nobody answers for this agent today."
            )
        chain = _chain(proven, agent, inventory)
        restraints = dict.fromkeys(standing.restraints)
        parties = self._party_scopes(chain, proven.behind, agent, inventory, today, restraints)
        ends = [*ends_of_agent(agent, owner.id, standing.deputy_for), *_instance_scope(agent.id, proven.instance)]
        scopes = tuple(dict.fromkeys(["global", *ends, *parties, *proven.scopes]))
        require_belonging(proven, self._subjects(inventory))
        return Identity(agent, owner, chain, proven, scopes, tuple(restraints), standing.deputy_for)

    def _party_scopes(
        self,
        chain: Chain,
        behind: tuple[Principal, ...],
        caller: Agent,
        inventory: Inventory,
        today: date,
        restraints: dict[Restraint, None],
    ) -> Iterator[str]:
        """What ends the other parties of the chain; refuses a chain in which one of them does not stand today.

        What restrains one of them restrains who acts for it: it is added to `restraints`.
        """
        for member in (*behind, *chain.members):
            if member.kind == "human":
                _require_person(member.id, inventory)
                yield f"principal:{member.id}"
            elif member.kind == "business_process" and member in behind:
                yield from process_ends(member, inventory, today, self._process_standing, restraints)
            elif member.kind == "business_process":
                yield from process_scopes(chain, inventory, today, self._process_standing, restraints)
            elif member.kind == "service" and "|" in member.id:
                yield f"principal:{member.id}"  # of another house, endorsed by an issuer that may do so
            elif member.kind != "agent":
                raise refuse("principal_unknown", 403, "A party that this agent acts for is not known.")
            elif member.id != caller.id:
                agent = inventory.agents.get(member.id)
                standing = self._standing(agent, inventory, today) if agent is not None else None
                if agent is None or standing is None or standing.owner is None:
                    raise refuse(
                        "delegator_refused", 403, "An agent that this one acts for may not call anything today."
                    )
                restraints.update(dict.fromkeys(standing.restraints))
                yield from ends_of_agent(agent, standing.owner.id, standing.deputy_for)


def _standing_task(token: VerifiedToken) -> str:
    """The one task of a subject that shows no other: a fresh token must not shed what the last one is marked with."""
    return "task_" + hashlib.sha256(f"{token.issuer}\0{token.subject}".encode()).hexdigest()[:32]


def _chain(proven: Proven, agent: Agent, inventory: Inventory) -> Chain:
    if proven.chain is not None:
        return proven.chain
    caller = Principal("agent", agent.id)
    if proven.on_behalf_of is None:
        return Chain(root=caller)
    _require_person(proven.on_behalf_of, inventory)
    root = Principal("human", proven.on_behalf_of)
    return Chain(root=root, hops=(Hop(root, caller, "endorsed", proven.method, proven.evidence),))


def _require_person(person_id: str, inventory: Inventory) -> None:
    person = inventory.people.get(person_id)
    if person is None:
        raise refuse("principal_unknown", 403, "The person that this agent acts for is not known.")
    if not person.active:
        raise refuse("principal_inactive", 403, "The person that this agent acts for is no longer active.")


def _instance_scope(agent: str, instance: str) -> tuple[str, ...]:
    return (f"instance:{agent}/{instance}",) if instance else ()


def _unknown_agent(internal: str) -> Refused:
    return refuse("agent_unknown", 403, "This agent is not in the inventory.", internal=internal)
