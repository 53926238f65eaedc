"""Which task a token is for: the client's own, one that it begins, or one that was delegated to it (RFC 8693).

Whoever has a credential of a task begins only tasks below it. No token stands for somebody without saying who acts.
"""

from dataclasses import dataclass

from proxy.control.oauth.details import Asked, Targets, read_details
from proxy.control.oauth.forms import Form
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.needs import OAuthDeps
from proxy.control.oauth.parties import ACCESS_TOKEN, Actor, Holder, Human, actor_of, require_may_act, subject_of
from proxy.stages import Identity, Principal
from proxy.tasks.delegation import Grant, Proof
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import MAX_LIFE, NewTask, Task

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CLIENT_CREDENTIALS = "client_credentials"
GRANTS = (EXCHANGE, CLIENT_CREDENTIALS)
DEFAULT_LIFE = 3600


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token may be minted of: a task, until when at most, and the scopes whose end is the token's end."""

    task: Task
    not_after: float
    ends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Below:
    """Under what a new task begins: its parent, on whose behalf, how that was shown, and until when at most."""

    agent: Identity
    parent: Task | None
    principal: Principal | None
    proof: Proof | None
    grant: Grant
    not_after: float
    targets: Targets


class Grants:
    """Judges one request of an authenticated client."""

    def __init__(self, deps: OAuthDeps) -> None:
        self._deps = deps

    async def decide(self, form: Form, client: Identity) -> Granted:
        """What is granted; `OAuthMistake` if nothing is."""
        try:
            match form.need("grant_type"):
                case "client_credentials":
                    return await self._for_itself(form, client)
                case "urn:ietf:params:oauth:grant-type:token-exchange":
                    return await self._exchange(form, client)
        except TaskMistake as error:
            raise _as_oauth(error) from error
        raise OAuthMistake("unsupported_grant_type", "use `client_credentials` or the token exchange grant")

    async def _for_itself(self, form: Form, client: Identity) -> Granted:
        if form.get("subject_token") is not None or form.get("actor_token") is not None:
            raise OAuthMistake("invalid_request", "a subject or an actor needs the token exchange grant")
        asked, proven = self._asked(form), client.proven
        own = await self._deps.tasks.find(proven.task) if proven.task else None
        if asked.new_task:
            human = client.chain.root if client.chain.root.kind == "human" and own is None else None
            proof = Proof(proven.method, "endorsed", proven.evidence) if human else None
            below = _Below(client, own, human, proof, "consent", self._end_of(client), _targets(form))
            return Granted(await self._begin(asked, below), self._end_of(client), proven.scopes)
        task = own if asked.task is None else await self._deps.tasks.find(asked.task)
        if task is None or task.agent != client.agent.id or not _within_reach(task, own, client):
            raise OAuthMistake(
                "invalid_authorization_details", "say what the task is: `actions`, or a `task_id` of yours"
            )
        self._require_targets(form, task)
        return Granted(task, self._end_of(client), proven.scopes)

    async def _exchange(self, form: Form, client: Identity) -> Granted:
        if form.get("requested_token_type") not in {None, ACCESS_TOKEN}:
            raise OAuthMistake("invalid_request", "only access tokens are issued")
        subject, actor = await subject_of(form, self._deps), await actor_of(form, self._deps)
        if isinstance(subject, Human):
            return await self._for_human(form, client, subject, actor)
        return await self._below_holder(form, client, subject, actor)

    async def _for_human(self, form: Form, client: Identity, subject: Human, actor: Actor | None) -> Granted:
        if actor is None:
            # The client is not the actor because it asks: without an actor this would be impersonation.
            raise OAuthMistake("invalid_request", "`actor_token` is missing: say which agent acts")
        if actor.identity.agent.id != client.agent.id:
            raise OAuthMistake("unauthorized_client", "an agent exchanges such tokens for itself")
        require_may_act(subject, actor.identity)
        asked = self._asked(form)
        if not asked.new_task:
            raise OAuthMistake("invalid_authorization_details", "say what is to be done: `actions`")
        if not all(subject.lets(tool) for tool in asked.tools or ()):
            raise OAuthMistake("invalid_scope", "the `subject_token` is not good for all of this")
        end = min(subject.expires, actor.expires)
        root = Principal("human", subject.person.id)
        proof = Proof("access_token", "verified", subject.evidence)
        task = await self._begin(
            asked, _Below(actor.identity, None, root, proof, "token_exchange", end, _targets(form))
        )
        return Granted(task, end, (*client.proven.scopes, *actor.identity.proven.scopes, *subject.ends))

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
        end = min(proven.not_after, actor.expires if actor is not None else proven.not_after)
        shown = (*client.proven.scopes, *proven.scopes, *(actor.identity.proven.scopes if actor is not None else ()))
        asked = self._asked(form)
        if asked.task is not None:
            raise OAuthMistake("invalid_authorization_details", "`task_id` is that of the `subject_token`")
        if agent.agent.id == holder.agent.id and not asked.new_task:
            self._require_targets(form, parent)
            return Granted(parent, end, shown)
        proof = Proof(agent.proven.method, "verified", agent.proven.evidence)
        below = _Below(agent, parent, None, proof, "token_exchange", parent.deadline, _targets(form))
        return Granted(await self._begin(asked, below), end, shown)

    def _asked(self, form: Form) -> Asked:
        return read_details(form.get("authorization_details"), form.get("scope"), self._deps.inventory())

    def _require_targets(self, form: Form, task: Task) -> None:
        _targets(form).require(task.tools, self._deps.audience, self._deps.inventory())

    def _end_of(self, client: Identity) -> float:
        """A signed assertion shows who asks, now; what it is good for does not end with it. All else does."""
        if client.proven.method == "private_key_jwt":
            return self._deps.clock() + MAX_LIFE
        return client.proven.not_after

    async def _begin(self, asked: Asked, below: _Below) -> Task:
        now, parent, agent = self._deps.clock(), below.parent, below.agent.agent
        if asked.ttl is not None and asked.ttl < 1:
            raise OAuthMistake("invalid_authorization_details", "`ttl_seconds` is at least 1")
        end = below.not_after if parent is None else min(below.not_after, parent.deadline)
        life = DEFAULT_LIFE if asked.ttl is None else asked.ttl
        if agent.agent_class == "privileged":
            life = min(life, self._deps.inventory().rules.privileged_task_seconds)
        deadline = min(now + life, end)
        whole = parent is not None and not asked.new_task
        new = NewTask(
            agent=agent.id,
            purpose=asked.purpose or (parent.purpose if parent is not None else agent.purpose),
            deadline=deadline,
            tools=parent.tools if whole and parent is not None else asked.tools or (),
            datasets=parent.datasets if whole and parent is not None else asked.datasets,
            ticket=asked.ticket or (parent.ticket if parent is not None else agent.ticket),
            budget=asked.budget,
            principal=below.principal,
            proof=below.proof,
            grant=below.grant,
        )
        below.targets.require(new.tools, self._deps.audience, self._deps.inventory())
        by = f"agent:{below.agent.agent.id}"
        return await self._deps.tasks.create(new, parent=parent.id if parent is not None else None, by=by, now=now)


def _targets(form: Form) -> Targets:
    return Targets(form.audiences, form.resources)


def _within_reach(task: Task, own: Task | None, client: Identity) -> bool:
    """A credential of a task is good for that task and those below; the agent's own key for all of its tasks."""
    if own is not None:
        return own.id in {task.id, *task.lineage}
    return client.proven.method == "private_key_jwt"


_SCOPES = frozenset({"widens_tools", "widens_datasets"})
_ENDED = frozenset({"parent_not_active", "task_state", "task_unknown"})


def _as_oauth(error: TaskMistake) -> OAuthMistake:
    """A task that cannot begin, in the words of OAuth."""
    if error.code in _SCOPES:
        return OAuthMistake("invalid_scope", str(error))
    if error.code in _ENDED:
        return OAuthMistake("invalid_grant", str(error))
    if error.code.startswith("delegation_") or error.code == "task_too_deep":
        return OAuthMistake("invalid_request", str(error))
    return OAuthMistake("invalid_authorization_details", str(error))
