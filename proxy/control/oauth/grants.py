"""Which task a token is for: the client's own, one that it begins, or one that was delegated to it (RFC 8693).

Whoever has a credential of a task begins only tasks below it. No token stands for somebody without saying who acts.
"""

from proxy.control.oauth.beginning import Beginning, Below, Granted, targets_of
from proxy.control.oauth.exchange import Exchange
from proxy.control.oauth.forms import Form
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.needs import OAuthDeps
from proxy.identity.methods import OWN_KEY
from proxy.stages import Identity
from proxy.tasks.delegation import Proof
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import Task

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CLIENT_CREDENTIALS = "client_credentials"
GRANTS = (EXCHANGE, CLIENT_CREDENTIALS)


class Grants:
    """Judges one request of an authenticated client."""

    def __init__(self, deps: OAuthDeps) -> None:
        self._deps = deps
        self._beginning = Beginning(deps)
        self._exchange = Exchange(deps, self._beginning)

    async def decide(self, form: Form, client: Identity) -> Granted:
        """What is granted; `OAuthMistake` if nothing is."""
        try:
            match form.need("grant_type"):
                case "client_credentials":
                    return await self._for_itself(form, client)
                case "urn:ietf:params:oauth:grant-type:token-exchange":
                    return await self._exchange.decide(form, client)
        except TaskMistake as error:
            raise _as_oauth(error) from error
        raise OAuthMistake("unsupported_grant_type", "use `client_credentials` or the token exchange grant")

    async def _for_itself(self, form: Form, client: Identity) -> Granted:
        if form.get("subject_token") is not None or form.get("actor_token") is not None:
            raise OAuthMistake("invalid_request", "a subject or an actor needs the token exchange grant")
        asked, proven, end = self._beginning.asked(form), client.proven, self._deps.end_of(client)
        own = await self._deps.tasks.find(proven.task) if proven.task else None
        if asked.new_task:
            human = client.chain.root if client.chain.root.kind == "human" and own is None else None
            proof = Proof(proven.method, "endorsed", proven.evidence) if human else None
            # Its own key is the agent itself; anything else is one credential, and what it began ends with it.
            shown = () if proven.method in OWN_KEY and human is None else proven.scopes
            below = Below(client, own, human, proof, "consent", end, targets_of(form), shown=shown)
            return Granted(await self._beginning.begin(asked, below), end, proven.scopes)
        task = own if asked.task is None else await self._deps.tasks.find(asked.task)
        if task is None or task.agent != client.agent.id or not _within_reach(task, own, client):
            raise OAuthMistake(
                "invalid_authorization_details", "say what the task is: `actions`, or a `task_id` of yours"
            )
        self._beginning.require_targets(form, task)
        return Granted(task, end, proven.scopes, begun=False)


def _within_reach(task: Task, own: Task | None, client: Identity) -> bool:
    """A credential of a task is good for that task and those below; the agent's own key for all of its tasks."""
    if own is not None:
        return own.id in {task.id, *task.lineage}
    return client.proven.method in OWN_KEY


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
