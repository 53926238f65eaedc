"""What a task token is asked for: `authorization_details` of type `countersign_task` (RFC 9396), or `scope`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.model import Json
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.facts import Inventory
from proxy.strict_json import loads
from proxy.tasks.bounds import checked_datasets, checked_tools
from proxy.tasks.budget import UNIT, Budget, Spend, millionths
from proxy.tasks.known import require_known
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import Task

TYPE = "countersign_task"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _SpendLimit(_Part):
    tool: str
    argument: str
    limit: int | float | str


class _Limits(_Part):
    calls: int | None = None
    spend: list[_SpendLimit] = Field(default_factory=list, max_length=32)


class _Detail(_Part):
    type: str
    task_id: str | None = None
    actions: list[str] | None = Field(default=None, max_length=128)
    datatypes: list[str] = Field(default_factory=list, max_length=128)
    purpose: str = ""
    ticket: str = ""
    ttl_seconds: int | None = None
    budget: _Limits = _Limits()


@dataclass(frozen=True, slots=True)
class Asked:
    """`task` names a task that there is. Without it, and with `tools`, a new one is asked for."""

    task: str | None = None
    tools: tuple[str, ...] | None = None
    datasets: tuple[str, ...] = ()
    purpose: str = ""
    ticket: str = ""
    ttl: int | None = None
    budget: Budget = Budget()  # noqa: RUF009 - frozen

    @property
    def new_task(self) -> bool:
        return self.tools is not None


def read_details(details: str | None, scope: str | None, inventory: Inventory) -> Asked:
    """What is asked for; `invalid_authorization_details` or `invalid_scope` for what cannot be."""
    if details is None:
        return Asked() if scope is None else Asked(tools=_scope(scope, inventory))
    if scope is not None:
        raise OAuthMistake("invalid_request", "ask by `scope` or by `authorization_details`, not by both")
    detail = _detail(details)
    try:
        asked = Asked(
            task=detail.task_id,
            tools=None if detail.actions is None else checked_tools(detail.actions),
            datasets=checked_datasets(detail.datatypes),
            purpose=detail.purpose,
            ticket=detail.ticket,
            ttl=detail.ttl_seconds,
            budget=_budget(detail.budget),
        )
        require_known(asked.tools or (), asked.datasets, asked.budget, inventory)
    except (TaskMistake, ValueError) as error:
        raise _invalid(str(error)) from error
    _require_one_meaning(asked)
    return asked


def granted(task: Task) -> list[Json]:
    """What the token is for, as it is echoed and as the token says it (RFC 9396 section 7)."""
    detail: dict[str, Json] = {
        "type": TYPE,
        "task_id": task.id,
        "actions": list(task.tools),
        "datatypes": list(task.datasets),
        "purpose": task.purpose,
        "deadline": int(task.deadline),
    }
    if task.ticket:
        detail["ticket"] = task.ticket
    if task.budget != Budget():
        spend: list[Json] = [
            {"tool": one.tool, "argument": one.argument, "limit": one.limit / UNIT} for one in task.budget.spend
        ]
        detail["budget"] = {"calls": task.budget.calls, "spend": spend}
    return [detail]


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the token is to be used: `audience` and `resource` of the request (RFC 8693, RFC 8707)."""

    audiences: tuple[str, ...]
    resources: tuple[str, ...]

    def require(self, tools: tuple[str, ...], ours: str, inventory: Inventory) -> None:
        """`invalid_target` unless every audience is the proxy, and these tools are all at the resources, if any."""
        if any(audience != ours for audience in self.audiences):
            raise OAuthMistake("invalid_target", "tokens are issued for the proxy alone")
        urls = {service.url.rstrip("/"): service.id for service in inventory.services.values()}
        named = {urls.get(resource.rstrip("/")) for resource in self.resources}
        if None in named:
            raise OAuthMistake("invalid_target", "`resource` is not the URL of a service that is known here")
        if named and not {tool.partition("/")[0] for tool in tools} <= named:
            raise OAuthMistake("invalid_target", "this reaches further than the resources that were named")


def _detail(text: str) -> _Detail:
    try:
        parsed: Any = loads(text.encode())
    except ValueError as error:
        raise _invalid("it cannot be read as JSON") from error
    if not isinstance(parsed, list) or len(parsed) != 1 or not isinstance(parsed[0], Mapping):
        raise _invalid("it is an array of one object")
    if parsed[0].get("type") != TYPE:
        raise _invalid(f"its `type` is `{TYPE}`")
    try:
        return _Detail.model_validate(parsed[0])
    except ValidationError as error:
        places = sorted({".".join(map(str, one["loc"])) for one in error.errors()})
        raise _invalid(f"wrong or unknown: {', '.join(places)[:200]}") from error


def _budget(limits: _Limits) -> Budget:
    spend = tuple(Spend(one.tool, one.argument, millionths(one.limit)) for one in limits.spend)
    return Budget(limits.calls, spend)


def _scope(scope: str, inventory: Inventory) -> tuple[str, ...]:
    """Scopes are tools, `service/tool` or `service/*`."""
    try:
        tools = checked_tools(scope.split(" "))
        require_known(tools, (), Budget(), inventory)
    except TaskMistake as error:
        why = str(error) if error.code.endswith("_unknown") else "each scope is a tool, `service/tool` or `service/*`"
        raise OAuthMistake("invalid_scope", why) from error
    return tools


def _require_one_meaning(asked: Asked) -> None:
    said = bool(asked.datasets or asked.purpose or asked.ticket or asked.budget != Budget() or asked.ttl is not None)
    if asked.task is not None and (asked.new_task or said):
        raise _invalid("name a task that there is, or describe a new one")
    if said and not asked.new_task:
        raise _invalid("`actions` are missing")
    if asked.tools == ():
        raise _invalid("`actions` are empty, so nothing could be done")


def _invalid(why: str) -> OAuthMistake:
    return OAuthMistake("invalid_authorization_details", why)
