"""One stage for all tests of the demo that need real programs."""

from collections.abc import Iterator

import pytest

from proxy.demo.stage import Stage, open_stage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The demo's stage, with its agent."""
    with open_stage() as made:
        yield made
