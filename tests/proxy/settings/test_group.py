"""What all settings have in common."""

import pytest
from pydantic import ValidationError

from proxy.settings.group import Group


class One(Group):
    """A group with one setting."""

    number: int = 1


def test_a_group_is_frozen_and_takes_nothing_unknown() -> None:
    """A misspelt setting is a mistake, and nobody changes a setting after it was read."""
    with pytest.raises(ValidationError):
        One(nmuber=2)
    with pytest.raises(ValidationError):
        One().number = 2
