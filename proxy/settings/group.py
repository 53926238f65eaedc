"""What all settings have in common."""

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """Frozen; an unknown setting is a mistake, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
