"""A house for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.token_house import TokenHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TokenHouse]:
    made = TokenHouse(tmp_path)
    yield made
    made.close()
