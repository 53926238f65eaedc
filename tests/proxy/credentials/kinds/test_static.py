"""One secret of ours in one header, or in one query parameter."""

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


class TestStaticInAQuery(CredentialKindConformance):
    """The same secret as a query parameter."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[House]:
        """No server is needed."""
        given = means()
        binding = StaticBinding(id="key", secret="env:SECRET", methods=("GET",), paths=("/*",), query="key")
        yield House(Static(given), binding, given)

    def test_nothing_in_it_can_be_read_as_another_parameter(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A secret that holds delimiters is still one value."""
        monkeypatch.setenv("SECRET", "a&b=c;d#e?f/g%20 h+i")
        assert house.obtain().query == "key=a%26b%3Dc%3Bd%23e%3Ff%2Fg%2520%20h%2Bi"
