"""What all facts of the inventory have in common."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from proxy.names import identifier

type Id = Annotated[str, AfterValidator(identifier)]


class Fact(BaseModel):
    """A frozen fact; an unknown field is a mistake, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Subject(Fact):
    """An identity that a token issuer gives a person or an agent: exact issuer and subject, never a bare subject."""

    issuer: str
    subject: str
