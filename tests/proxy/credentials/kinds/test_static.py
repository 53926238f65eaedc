"""One secret of ours in one header."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.credentials.kinds.static import Static
from proxy.facts import StaticBinding
from tests.conformance.credential_kind import CredentialKindConformance, House, means


class TestStatic(CredentialKindConformance):
    """A secret read from the environment."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[House]:
        """No server is needed."""
        given = means()
        binding = StaticBinding(id="key", secret="env:SECRET", methods=("GET",), paths=("/*",))
        yield House(Static(given), binding, given)

    def test_a_changed_secret_counts_at_once(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is kept: the next request gets what is there then."""
        house.obtain()
        monkeypatch.setenv("SECRET", "another-secret")
        assert house.obtain().headers == (("authorization", "Bearer another-secret"),)
