"""What all facts of the inventory have in common."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from proxy.names import identifier

type Id = Annotated[str, AfterValidator(identifier)]


class Fact(BaseModel):
    """A frozen fact; an unknown field is a mistake, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Subject(Fact):
    """An identity that a token issuer gives a person or an agent: exact issuer and subject, never a bare subject.

    With `client_id`, a token with this subject counts only if it was issued to that client (RFC 9068): an account
    that a person has under the same name is another one.
    """

    issuer: str
    subject: str
    # left out where it is absent, so that what owners have attested is still what they attested
    client_id: str | None = Field(None, exclude_if=lambda value: value is None)
