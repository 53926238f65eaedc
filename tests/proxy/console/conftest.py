"""A house with a console for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.console_house import ConsoleHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ConsoleHouse]:
    made = ConsoleHouse(tmp_path)
    yield made
    made.close()
