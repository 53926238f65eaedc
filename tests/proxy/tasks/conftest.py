"""A house for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxy.tasks.house import TaskHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TaskHouse]:
    made = TaskHouse(tmp_path)
    yield made
    made.close()
