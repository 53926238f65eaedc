"""A task begins for what was asked for: below the one that was shown, or for whom was shown, and never wider."""

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.control.oauth.details import Asked, Targets, read_details
from proxy.control.oauth.forms import Form
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.needs import OAuthDeps
from proxy.control.oauth.one_time import Once, spend
from proxy.stages import Identity, Principal
from proxy.tasks.delegation import Grant, Proof
from proxy.tasks.task import NewTask, Task
from proxy.tasks.task import begin as sound

DEFAULT_LIFE = 3600
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, not a token


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token may be minted of: a task, until when at most, and the scopes whose end is the token's end.

    `instance` is which running copy of the task's agent showed itself, if that is known. `begun`: the task began for
    this token. `issued` is the type as which it is issued (RFC 8693 section 3).
    """

    task: Task
    not_after: float
    ends: tuple[str, ...]
    instance: str = ""
    begun: bool = True
    issued: str = ACCESS_TOKEN


@dataclass(frozen=True, slots=True)
class Below:
    """Under what a new task begins: its parent, on whose behalf, how that was shown, and until when at most.

    `shown` are the scopes of whom it is on behalf of: those of single credentials end the task. `once` are the proofs
    that are used up by it.
    """

    agent: Identity
    parent: Task | None
    principal: Principal | None
    proof: Proof | None
    grant: Grant
    not_after: float
    targets: Targets
    through: tuple[tuple[Principal, Proof], ...] = ()
    shown: tuple[str, ...] = ()
    once: tuple[Once, ...] = ()


class Beginning:
    """Reads what is asked for, and begins it."""

    def __init__(self, deps: OAuthDeps) -> None:
        self._deps = deps

    def asked(self, form: Form) -> Asked:
        """What this request asks for."""
        return read_details(form.get("authorization_details"), form.get("scope"), self._deps.inventory())

    def require_targets(self, form: Form, task: Task) -> None:
        """`invalid_target` unless the task is all for where the token is to be used."""
        targets_of(form).require(task.tools, self._deps.audience, self._deps.inventory())

    async def begin(self, asked: Asked, below: Below) -> Task:
        """The new task, active and on record."""
        now, parent, agent = self._deps.clock(), below.parent, below.agent.agent
        if asked.ttl is not None and asked.ttl < 1:
            raise OAuthMistake("invalid_authorization_details", "`ttl_seconds` is at least 1")
        end = below.not_after if parent is None else min(below.not_after, parent.deadline)
        life = DEFAULT_LIFE if asked.ttl is None else asked.ttl
        if agent.agent_class == "privileged":
            life = min(life, self._deps.inventory().rules.privileged_task_seconds)
        deadline = min(now + life, end)
        whole = None if asked.new_task else parent
        new = NewTask(
            agent=agent.id,
            purpose=asked.purpose or (parent.purpose if parent is not None else agent.purpose),
            deadline=deadline,
            tools=whole.tools if whole is not None else asked.tools or (),
            datasets=whole.datasets if whole is not None else asked.datasets,
            ticket=asked.ticket or (parent.ticket if parent is not None else agent.ticket),
            budget=asked.budget,
            principal=below.principal,
            proof=below.proof,
            grant=below.grant,
            through=below.through,
            via=credentials(below.shown),
        )
        below.targets.require(new.tools, self._deps.audience, self._deps.inventory())
        sound(new, "", parent, by=f"agent:{agent.id}", now=now)  # a mistake of its sender's uses nothing up
        await spend(below.once, self._deps.replays, now)
        above = parent.id if parent is not None else None
        return await self._deps.tasks.create(new, parent=above, by=f"agent:{agent.id}", now=now)


_CREDENTIALS = frozenset({"handle", "token", "principal", "instance", "key"})


def credentials(scopes: Iterable[str]) -> tuple[str, ...]:
    """Those that are of what somebody shows, each once: what comes of it ends with it."""
    return tuple(dict.fromkeys(one for one in scopes if one.partition(":")[0] in _CREDENTIALS))


def targets_of(form: Form) -> Targets:
    """Where the token is to be used."""
    return Targets(form.audiences, form.resources)
