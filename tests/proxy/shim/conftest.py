"""What is the same for all tests of the shim."""

import pytest

from proxy.shim import sources
from tests.fakes.waiting import PATIENCE


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is at hand is waited for as long as this machine may need, where a test is not about being slow."""
    monkeypatch.setattr(sources, "PATIENCE_SECONDS", PATIENCE)
