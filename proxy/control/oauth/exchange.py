"""Token exchange (RFC 8693): one party, shown by its token, lets an agent, shown by its own, act for it."""

from dataclasses import replace
from itertools import pairwise

from proxy.control.oauth.beginning import ACCESS_TOKEN, Beginning, Below, Granted, targets_of
from proxy.control.oauth.forms import Form
from proxy.control.oauth.handed_on import HandedOn
from proxy.control.oauth.inbound import hop_levels
from proxy.control.oauth.mistakes import OAuthMistake, unacceptable
from proxy.control.oauth.needs import OAuthDeps
from proxy.control.oauth.one_time import spend
from proxy.control.oauth.parties import (
    JWT,
    TXN_TOKEN,
    Actor,
    Holder,
    actor_of,
    level_of,
    require_actor,
    subject_of,
)
from proxy.control.oauth.roots import Root
from proxy.errors import Refused
from proxy.identity import methods
from proxy.identity.task_tokens import MAX_LIFE
from proxy.stages import Chain, Hop, Identity, Principal
from proxy.tasks.bounds import within
from proxy.tasks.delegation import Proof


class Exchange:
    """Judges one exchange of an authenticated client. The output is never more, and never lives longer, than the
    input; the chain that came in goes out again, one hop longer or the same."""

    def __init__(self, deps: OAuthDeps, beginning: Beginning) -> None:
        self._deps = deps
        self._beginning = beginning

    async def decide(self, form: Form, client: Identity) -> Granted:
        """What is granted; `OAuthMistake`, or a `TaskMistake`, if nothing is."""
        issued = _issued(form)
        return replace(await self._judged(form, client), issued=issued)

    async def _judged(self, form: Form, client: Identity) -> Granted:
        actor = await actor_of(form, client, self._deps)
        match await subject_of(form, client, self._deps):
            case Root() as root:
                return await self._for_root(form, client, root, actor)
            case Holder() as holder:
                return await self._below_holder(form, client, holder, actor)
            case HandedOn() as handed:
                return await self._behind_service(form, client, handed, actor)

    async def _for_root(self, form: Form, client: Identity, subject: Root, given: Actor | None) -> Granted:
        actor = _itself(client, given)
        require_actor(subject, actor.identity)
        await self._require_unbounded(client)
        asked = self._beginning.asked(form)
        if not asked.new_task:
            raise OAuthMistake("invalid_authorization_details", "say what is to be done: `actions`")
        if not all(subject.lets(tool) for tool in asked.tools or ()):
            raise OAuthMistake("invalid_scope", "the `subject_token` is not good for all of this")
        await self._require_standing(subject, actor.identity)
        end = min(subject.expires, actor.expires)
        levels = hop_levels(subject.through, level_of(actor.identity))
        first, *others = (Proof(subject.method, level, subject.evidence) for level in levels)
        *before, last = replace(first, presence=subject.presence), *others
        through = tuple(zip((one.principal for one in subject.through), before, strict=True))
        below = Below(
            actor.identity,
            None,
            subject.principal,
            last,
            "token_exchange",
            end,
            targets_of(form),
            through,
            subject.ends,
            (*subject.once, *actor.once),
        )
        task = await self._beginning.begin(asked, below)
        shown = (*client.proven.scopes, *actor.identity.proven.scopes, *subject.ends)
        return Granted(task, end, shown, actor.identity.proven.instance)

    async def _require_unbounded(self, client: Identity) -> None:
        """Who has no more than a credential of a task sheds its bounds and its budget for nobody's token."""
        if await self._deps.tasks.find(client.proven.task) is not None:
            raise OAuthMistake("invalid_grant", "a credential of a task begins only tasks below that one")

    async def _require_standing(self, subject: Root, actor: Identity) -> None:
        """Nothing begins in a name in which no call would pass: everyone who counts stands today."""
        agent = Principal("agent", actor.agent.id)
        members = (subject.principal, *(one.principal for one in subject.through if one.endorsed), agent)
        hops = tuple(Hop(one, other, "endorsed", "", "") for one, other in pairwise(members))
        behind = tuple(one.principal for one in subject.through if not one.endorsed)
        try:
            await self._deps.living(replace(actor.proven, chain=Chain(subject.principal, hops), behind=behind))
        except Refused as refused:
            raise unacceptable("`subject_token`", refused.refusal) from refused

    async def _below_holder(self, form: Form, client: Identity, subject: Holder, actor: Actor | None) -> Granted:
        holder, proven = subject.identity, subject.identity.proven
        agent = actor.identity if actor is not None else holder
        if client.agent.id not in {holder.agent.id, agent.agent.id}:
            raise OAuthMistake(
                "unauthorized_client", "only the one who hands on, or the one who receives, asks for this"
            )
        if actor is None and client.agent.id != holder.agent.id:
            raise OAuthMistake("invalid_request", "`actor_token` is missing: the client is not the actor by itself")
        parent = await self._deps.tasks.find(proven.task)
        if parent is None:
            raise OAuthMistake("invalid_grant", "the task of the `subject_token` is not known")
        end = min(self._deps.end_of(holder), actor.expires if actor is not None else proven.not_after)
        shown = (*client.proven.scopes, *proven.scopes, *(actor.identity.proven.scopes if actor is not None else ()))
        asked = self._beginning.asked(form)
        if asked.task is not None:
            raise OAuthMistake("invalid_authorization_details", "`task_id` is that of the `subject_token`")
        once = actor.once if actor is not None else ()
        if agent.agent.id == holder.agent.id and not asked.new_task:
            self._beginning.require_targets(form, parent)
            await spend(once, self._deps.replays, self._deps.clock())
            return Granted(parent, end, shown, agent.proven.instance, begun=False)
        proof = Proof(agent.proven.method, level_of(agent), agent.proven.evidence)
        below = Below(
            agent,
            parent,
            None,
            proof,
            "token_exchange",
            parent.deadline,
            targets_of(form),
            shown=proven.scopes,
            once=once,
        )
        return Granted(await self._beginning.begin(asked, below), end, shown, agent.proven.instance)

    async def _behind_service(self, form: Form, client: Identity, subject: HandedOn, given: Actor | None) -> Granted:
        """The token showed the hop to this agent, which showed itself. As ever, what comes out ends with what came in:
        an agent with a key of its own gets the next token for its task by that."""
        actor = _itself(client, given)
        asked = self._beginning.asked(form)
        if not asked.new_task:
            raise OAuthMistake("invalid_authorization_details", "say what is to be done for this call: `actions`")
        if within(asked.tools or (), subject.onward) is not None:
            raise OAuthMistake(
                "invalid_scope", "the service that was called does not go on to all of this for the call"
            )
        proof = Proof(methods.TXN_TOKEN, level_of(actor.identity), subject.evidence)
        parent = subject.parent
        latest = min(parent.deadline, self._deps.clock() + MAX_LIFE)  # as long as any one token: it is one call's
        below = Below(
            actor.identity,
            parent,
            None,
            proof,
            "token_exchange",
            latest,
            targets_of(form),
            shown=subject.ends,
            once=(subject.once, *actor.once),
        )
        task, end = await self._beginning.begin(asked, below), min(subject.expires, actor.expires)
        shown = (*client.proven.scopes, *actor.identity.proven.scopes, *subject.ends)
        return Granted(task, end, shown, actor.identity.proven.instance)


def _issued(form: Form) -> str:
    """As which type the token is issued: it is an access token, and a JWT (RFC 8693 section 3)."""
    asked = form.get("requested_token_type")
    if asked == TXN_TOKEN:
        raise OAuthMistake(
            "invalid_request",
            "a transaction token is made for one call that was decided, and goes with that call alone",
        )
    if asked not in {None, ACCESS_TOKEN, JWT}:
        raise OAuthMistake("invalid_request", "`requested_token_type` is that of an access token, or of a JWT")
    return asked or ACCESS_TOKEN


def _itself(client: Identity, actor: Actor | None) -> Actor:
    """The actor, who must be the client. It is never supposed to be: without one this would be impersonation."""
    if actor is None:
        raise OAuthMistake("invalid_request", "`actor_token` is missing: say which agent acts")
    if actor.identity.agent.id != client.agent.id:
        raise OAuthMistake("unauthorized_client", "an agent exchanges such tokens for itself")
    return actor
