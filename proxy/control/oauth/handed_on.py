"""An agent goes on with what a call told the service it runs behind: by the transaction token that we made for it."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from proxy.control.oauth.mistakes import OAuthMistake, unacceptable
from proxy.control.oauth.needs import OAuthDeps
from proxy.control.oauth.one_time import Once
from proxy.credentials.bindings import place_of
from proxy.downstream.account import Account
from proxy.downstream.profile import Rejected
from proxy.downstream.reading import read
from proxy.errors import Refused
from proxy.facts import Inventory, Service
from proxy.identity import methods
from proxy.identity.lineage import scope_of_key
from proxy.stages import Identity, Proven, Request
from proxy.tasks.task import Task


@dataclass(frozen=True, slots=True)
class HandedOn:
    """The task of a call that reached an internal service, and who made that call. `expires` is the token's end.

    `onward` are the tools that this service goes on to for such a call: nothing more of the task is handed on. `once`
    is the token, which counts once for the agent behind the service; `ends` is the scope of the key of ours that
    signed it.
    """

    parent: Task
    caller: Identity
    onward: tuple[str, ...]
    expires: float
    evidence: str
    once: Once
    ends: tuple[str, ...]


async def handed_on(token: str, client: Identity, deps: OAuthDeps) -> HandedOn:
    """What this transaction token of ours hands on to the agent behind the service it is for."""
    now = deps.clock()
    account = _verified(token, deps, now)
    service = _called(account, deps.inventory())
    if service is None or client.agent.id != service.agent:
        raise OAuthMistake("unauthorized_client", "the transaction token is for a service that another agent is behind")
    parent = await deps.tasks.find(account.task)
    if parent is None or account.actor != f"agent:{parent.agent}":
        raise OAuthMistake("invalid_grant", "the call of this transaction token was made under no task that goes on")
    evidence = "sha256:" + hashlib.sha256(token.encode()).hexdigest()
    caller = await _caller(account, parent, evidence, deps)
    expires = float(account.expires_at)
    once = Once("subject_token", f"txn|{client.agent.id}", f"{account.transaction}|{account.id}", expires)
    ends = scope_of_key(deps.issuer, read(token).key_id)
    return HandedOn(parent, caller, _onward(service, account), expires, evidence, once, ends)


def _verified(token: str, deps: OAuthDeps, now: float) -> Account:
    if deps.txn_tokens is None:
        raise OAuthMistake("invalid_request", "no transaction tokens are made here")
    try:
        return deps.txn_tokens.verify(token, now)
    except Rejected as rejected:
        late = rejected.reason in {"token_expired", "token_audience", "token_issuer"}
        code = "invalid_grant" if late else "invalid_request"
        raise OAuthMistake(code, f"the `subject_token` is not accepted: {rejected.detail}") from rejected


def _called(account: Account, inventory: Inventory) -> Service | None:
    """The internal service which this call went to, as it stands in the inventory now."""
    service = inventory.services.get(account.scope.rpartition(".")[0])  # as the minter writes it
    if service is None or service.trust != "internal" or _origin(service) != account.destination:
        return None
    return service


def _onward(service: Service, account: Account) -> tuple[str, ...]:
    """What is written for the tool that was called, or else for all; nothing written, nothing handed on."""
    of, _, called = account.tool.partition("/")
    if of not in {"", service.id}:
        return ()
    return service.onward.get(called, service.onward.get("*", ()))


def _origin(service: Service) -> str:
    scheme, host, port = place_of(service.url)
    known: Literal["http", "https"] = "https" if scheme == "https" else "http"
    return f"{known}://{Request('GET', known, host, port, '/', '', (), b'').authority}"


async def _caller(account: Account, parent: Task, evidence: str, deps: OAuthDeps) -> Identity:
    """The agent that made the call, and everyone before it, if they all still stand."""
    chain = parent.delegation.chain()
    proven = Proven(
        agent=parent.agent,
        method=methods.TXN_TOKEN,
        credential=account.id,
        issued_at=min(float(account.issued_at), parent.created_at),
        not_after=float(account.expires_at),
        task=parent.id,
        on_behalf_of=chain.root.id if chain.root.kind == "human" else None,
        scopes=parent.scopes,
        evidence=evidence,
        chain=chain,
        behind=parent.delegation.behind(),
    )
    try:
        return await deps.living(proven)
    except Refused as refused:
        raise unacceptable("`subject_token`", refused.refusal) from refused
