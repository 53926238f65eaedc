"""HTTP Basic with a secret of ours."""

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.credentials.kinds.basic import Basic
from proxy.facts import BasicBinding
from tests.conformance.credential_kind import CredentialKindConformance, House, means


class TestBasic(CredentialKindConformance):
    """A password read from the environment."""

    def bound(self, **changes: Any) -> BasicBinding:
        """A binding for user `svc`, changed as told."""
        good = {"id": "key", "secret": "env:SECRET", "username": "svc", "methods": ("GET",), "paths": ("/*",)}
        return BasicBinding(**(good | changes))

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[House]:
        """No server is needed."""
        given = means()
        yield House(Basic(given), self.bound(), given)

    @pytest.mark.parametrize(
        ("changes", "pair"),
        [
            ({}, "svc:s3cr3t/of+the client"),
            ({"username": "", "password": "{secret}"}, ":s3cr3t/of+the client"),
            ({"username": "{secret}", "password": ""}, "s3cr3t/of+the client:"),
            ({"username": "api", "password": "key-{secret}"}, "api:key-s3cr3t/of+the client"),
        ],
    )
    def test_the_pair_is_encoded_and_looked_for(self, house: House, changes: dict[str, str], pair: str) -> None:
        """RFC 7617: user name, colon, password in base64; the secret and the encoded pair are looked for."""
        house.binding = self.bound(**changes)
        injection = house.obtain()
        encoded = base64.b64encode(pair.encode()).decode()
        assert injection.headers == (("authorization", f"Basic {encoded}"),)
        assert [secret.value for secret in injection.secrets] == ["s3cr3t/of+the client", encoded]

    @pytest.mark.parametrize(
        "changes",
        [
            {"username": "a:b"}, {"password": "fixed"}, {"username": "{secret}"}, {"username": "\u00fc"},
            {"username": "a\r\nb"}, {"password": "{secret}{secret}"},
        ],
    )  # fmt: skip
    def test_what_makes_no_pair_is_refused(self, house: House, changes: dict[str, str]) -> None:
        """A colon in the name, a secret in both, in neither, or twice, and what no header carries."""
        house.binding = self.bound(**changes)
        assert house.refused() == "503 credential_unavailable"

    def test_a_colon_in_a_secret_name_is_refused(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """The receiver would take a part of the secret for the password."""
        monkeypatch.setenv("SECRET", "part-one:part-two")
        house.binding = self.bound(username="{secret}", password="")
        assert house.refused() == "503 credential_unavailable"
