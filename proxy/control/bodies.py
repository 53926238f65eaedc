"""The bodies that the control API reads. Unknown fields are mistakes."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from proxy.errors import CountersignError, Declined
from proxy.strict_json import loads

type Short = Annotated[str, Field(max_length=200)]
type Reason = Annotated[str, Field(max_length=500)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class IssueHandle(Body):
    """`task` absent means a new task; `on_behalf_of` names the human for whom the agent acts."""

    agent: Short
    task: Short | None = None
    purpose: Short = ""
    on_behalf_of: Short | None = None
    ttl_seconds: int | None = None


class Why(Body):
    reason: Reason


class Decide(Body):
    """What was looked at, exactly. `display_digest` is that of the card, when it was shown."""

    action_digest: Short
    row_version: int
    reason: Reason = ""
    display_digest: Short = ""


class Reconcile(Body):
    """What became of a call of which no complete answer came, and how its owner knows."""

    executed: bool
    evidence: Reason


class Revoke(Body):
    """`freeze`: what policy allows is held for sign-off instead of refused."""

    scope: Annotated[str, Field(max_length=2600)]
    reason: Reason
    kind: Literal["revoke", "freeze"] = "revoke"


class IssueToken(Body):
    ttl_seconds: int | None = None


async def read[T: Body](request: Request, shape: type[T]) -> T:
    """The request's JSON body in this shape; 415 or 422 with every field that is wrong."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and kind != "application/json":
        raise Declined(415, "not_json", "send the body as `Content-Type: application/json`")
    try:
        return shape.model_validate(loads(body) if body else {})
    except ValidationError as error:
        wrong = "; ".join(f"`{'.'.join(map(str, at['loc']))}`: {at['msg'].lower()}" for at in error.errors())
        raise Declined(422, "body_invalid", wrong.removeprefix("``: ")) from error
    except CountersignError as error:
        raise Declined(400, "not_json", f"the body cannot be read as JSON: {error}") from error
    except ValueError as error:
        raise Declined(400, "not_json", f"the body cannot be read as JSON: {error}") from error
