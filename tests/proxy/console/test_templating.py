"""Templates: escaped, strict, ours."""

import pytest
from jinja2 import UndefinedError

from proxy.console.assets import Assets
from proxy.console.templating import environment


def test_everything_is_escaped_also_without_a_filter() -> None:
    """A value that nobody marked stays text."""
    made = environment(Assets.load())
    assert made.from_string("{{ it }}").render(it="<b>") == "&lt;b&gt;"
    assert made.from_string("{{ it | shown }}").render(it="<b>") == "&lt;b&gt;"


def test_a_name_that_is_not_there_is_a_mistake() -> None:
    """A card with a hole in it is never shown."""
    with pytest.raises(UndefinedError):
        environment(Assets.load()).from_string("{{ missing }}").render()
