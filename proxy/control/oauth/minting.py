"""Task tokens: made, asked about, and ended (RFC 9068, RFC 7662, RFC 7009). Never a refresh token."""

import contextlib
from collections.abc import Iterable

from policies.model import Json
from proxy.control.oauth.beginning import Granted, credentials
from proxy.control.oauth.details import granted
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.needs import OAuthDeps
from proxy.downstream.chain_tokens import nameof
from proxy.downstream.profile import PROFILES
from proxy.errors import Refused
from proxy.facts import Service
from proxy.identity.compact import MAX_BYTES
from proxy.identity.possession import MEMBER
from proxy.identity.task_tokens import MAX_ENDS, MAX_LIFE, TYP
from proxy.stages import Identity, Principal
from proxy.tasks.bounds import touches_service
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import MAX_PURPOSE, Task
from telemetry.ids import new_id


class Mint:
    """Makes tokens of what was granted, and answers for those that it made."""

    def __init__(self, deps: OAuthDeps) -> None:
        self._deps = deps

    async def issue(self, what: Granted, client: Identity) -> dict[str, Json]:
        """The token response (RFC 8693 section 2.2.1). A task that began for it, and gets none, has failed."""
        try:
            return await self._made(what, client)
        except OAuthMistake as mistake:
            if what.begun:
                await self._give_up(what.task, client, str(mistake))
            raise

    async def _give_up(self, task: Task, client: Identity, why: str) -> None:
        """Nobody has anything of this task, nor ever will."""
        with contextlib.suppress(TaskMistake):  # it has ended otherwise
            await self._deps.tasks.end(
                task.id,
                "failed",
                by=f"agent:{client.agent.id}",
                reason=f"no token was made: {why}"[:MAX_PURPOSE],
                now=self._deps.clock(),
            )

    async def _made(self, what: Granted, client: Identity) -> dict[str, Json]:
        """On record before it is given away."""
        now, task = self._deps.clock(), what.task
        family = await self._deps.tasks.family(task.id)
        if not family or not all(one.runs_at(now) for one in family):
            raise OAuthMistake("invalid_grant", "the task, or one above it, is suspended or over")
        expires = int(min(now + self._life(task), what.not_after, family[0].deadline))
        issued = int(now)
        if expires <= issued:
            raise OAuthMistake("invalid_grant", "what was shown ends now")
        ends = self._ends(what)
        claims = self._claims(task, client, ends, issued, expires) | _copy(what, client)
        token = self._deps.sign(claims, TYP)
        if len(token) > MAX_BYTES:
            raise OAuthMistake("invalid_authorization_details", "too much for one token: declare `service/*`")
        await self._record(claims, task, client, ends)
        self._deps.resolver.keep_vouched(ends, task.deadline)
        await self._require_alive(what, ends)
        unproven: dict[str, Json] = {} if task.delegation.chain().complete else {"chain_complete": False}
        return {
            "access_token": token,
            "issued_token_type": what.issued,
            "token_type": "Bearer",
            "expires_in": expires - issued,
            "scope": claims["scope"],
            "authorization_details": claims["authorization_details"],
            **unproven,
        }

    def _life(self, task: Task) -> float:
        """How long a token of this task's agent may live."""
        inventory = self._deps.inventory()
        agent = inventory.agents.get(task.agent)
        privileged = agent is not None and agent.agent_class == "privileged"
        return min(MAX_LIFE, inventory.rules.privileged_token_seconds) if privileged else MAX_LIFE

    def _claims(
        self, task: Task, client: Identity, ends: tuple[str, ...], issued: int, expires: int
    ) -> dict[str, Json]:
        chain = task.delegation.chain()
        claims: dict[str, Json] = {
            "iss": self._deps.issuer,
            "sub": chain.root.id,
            "sub_profile": PROFILES[chain.root.kind],
            "aud": self._deps.audience,
            "iat": issued,
            "exp": expires,
            "jti": new_id("tok"),
            "client_id": client.agent.id,
            "task": task.id,
            "scope": " ".join(task.tools),
            "authorization_details": granted(task),
            "via": list(ends),
        }
        if chain.hops:
            claims["act"] = _nested(chain.members[1:], self._deps.issuer)
        if client.proven.thumbprint and client.agent.id == task.agent:
            claims["cnf"] = {MEMBER: client.proven.thumbprint}  # RFC 8705 section 3.1
        return claims

    def _ends(self, what: Granted) -> tuple[str, ...]:
        """The credentials that were shown, and those that they were obtained with in their turn."""
        found = credentials(what.ends)
        if len(found) > MAX_ENDS:
            raise OAuthMistake("invalid_request", "too much was shown at once")
        return found

    async def _require_alive(self, what: Granted, ends: tuple[str, ...]) -> None:
        """Raises if anything was ended meanwhile that this hangs on, by whichever process.

        A task that is a moment younger than the end of an account would be taken for one that began after it.
        """
        await self._deps.feed.poll(self._deps.clock())
        if self._deps.feed.epochs.dead((*what.task.scopes, *ends), what.task.created_at) is not None:
            raise OAuthMistake("invalid_grant", "what was shown, or the task, was ended")

    async def _record(self, claims: dict[str, Json], task: Task, client: Identity, ends: tuple[str, ...]) -> None:
        await self._deps.record(
            {
                "type": "token.issued",
                "task": task.id,
                "change": {
                    "what": f"task:{task.id}",
                    "by": f"agent:{client.agent.id}",
                    "kind": "task_token",
                    "reason": task.purpose,
                    "details": [
                        f"jti={claims['jti']}",
                        f"agent={task.agent}",
                        f"exp={claims['exp']}",
                        f"shown={client.proven.method}",
                        f"via={' '.join(one for one in ends if not one.startswith('principal:'))}"[:2000],
                    ],
                },
            }
        )

    async def introspect(self, token: str, reader: Identity | Service) -> dict[str, Json]:
        """What the token is, to the agent that holds it, or to a service of ours that the token is good for.

        `{"active": false}` and nothing else in any other case (RFC 7662 section 2.2).
        """
        now = self._deps.clock()
        try:
            known = self._deps.own.verify(token, now)
            # Asking about a bound token is not using it.
            proven = await self._deps.resolver.prove_task_token(token, known.bound_to, now)
            identity = await self._deps.living(proven)
        except Refused:
            return {"active": False}
        family = await self._deps.tasks.family(known.task)
        if not family or not all(one.runs_at(now) for one in family) or not _may_read(reader, identity, family[0]):
            return {"active": False}
        told = {name: value for name, value in known.claims.items() if name != "via"}
        unproven: dict[str, Json] = {} if identity.chain.complete else {"chain_complete": False}
        return {"active": True, "token_type": "Bearer", **told, **unproven}

    async def revoke(self, token: str, client: Identity) -> None:
        """The token is dead when this returns. One that is not known, or ended already, is no mistake."""
        now = self._deps.clock()
        try:
            known = self._deps.own.verify(token, now)
        except Refused:
            return
        if client.agent.id not in {known.actor, known.client}:
            raise OAuthMistake("unauthorized_client", "this token was issued to another client")
        scope, by = f"token:{self._deps.issuer}|{known.id}", f"agent:{client.agent.id}"
        if self._deps.feed.epochs.dead((scope,), known.issued_at) is not None:
            return  # nothing bounds how often this is asked, and each end is a record that is kept for ever
        change: dict[str, Json] = {"what": scope, "by": by, "kind": "revoke", "reason": "given back", "details": []}
        await self._deps.record({"type": "token.revoked", "task": known.task, "change": change})
        await self._deps.revoke(scope, by, "given back", now)


def _copy(what: Granted, client: Identity) -> dict[str, Json]:
    """Which running copy the token is for: else one could shed its own owner, and outlive its own end."""
    own = client.proven.instance if client.agent.id == what.task.agent else ""
    if own and what.instance and own != what.instance:
        raise OAuthMistake("invalid_grant", "two running copies of one agent were shown")
    instance = own or what.instance
    return {"instance": instance} if instance else {}


def _may_read(reader: Identity | Service, holder: Identity, task: Task) -> bool:
    if isinstance(reader, Service):
        return touches_service(task.tools, reader.id)
    return reader.agent.id == holder.agent.id


def _nested(actors: Iterable[Principal], issuer: str) -> Json:
    """The current actor outermost, the earliest innermost (RFC 8693 section 4.1)."""
    act: Json = None
    for actor in actors:
        act = {**nameof(actor, issuer), **({} if act is None else {"act": act})}
    return act
