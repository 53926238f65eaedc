"""GitHub App installation tokens, against a server that checks what GitHub checks."""

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.credentials.kinds.github_app import GitHubApp
from proxy.facts import GitHubAppBinding
from tests.conformance.credential_kind import House, RevocableKindConformance, means
from tests.fakes.clouds import GitHubServer
from tests.fakes.delegations import NOW
from tests.fakes.issuer import private_key

PEM = private_key("RS256").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class TestGitHubApp(RevocableKindConformance):
    """An App with one installation."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[House]:
        """A server that knows the App's public key."""
        given = means()
        with GitHubServer(private_key("RS256").public_key()) as server:
            binding = GitHubAppBinding(
                id="repo", app_id="12345", private_key="env:SECRET", installation_id=7, repositories=("shop",),
                permissions={"contents": "write"}, api_url=server.url, methods=("GET",), paths=("/*",),
                unsafe_http_loopback=True,
            )  # fmt: skip
            yield House(GitHubApp(given), binding, given, server, [PEM])

    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The App's private key."""
        monkeypatch.setenv("SECRET", PEM)

    def living(self, house: House) -> int:
        """Tokens that the server still knows."""
        return len(self.server(house).live)

    def server(self, house: House) -> GitHubServer:
        """The server."""
        assert isinstance(house.authority, GitHubServer)
        return house.authority

    def test_the_token_is_as_narrow_as_the_binding(self, house: House) -> None:
        """The App shows itself for ten minutes at most, and asks for its repositories and permissions only."""
        house.obtain()
        server = self.server(house)
        assert server.claims["iss"] == "12345"
        assert server.claims["exp"] - server.claims["iat"] <= 600
        assert server.claims["exp"] > NOW > server.claims["iat"]
        assert list(server.live.values()) == [{"repositories": ["shop"], "permissions": {"contents": "write"}}]

    def test_git_gets_it_as_a_password(self, house: House) -> None:
        """Git over HTTPS takes the token as the password of `x-access-token`."""
        house.binding = house.binding.model_copy(update={"use": "git"})
        ((name, value),) = house.obtain().headers
        (token,) = self.server(house).live
        assert (name, value) == (
            "authorization",
            "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode(),
        )

    @pytest.mark.parametrize(
        "changed",
        [
            {"repository_selection": "all"},
            {"repository_selection": None},
            {"permissions": {"contents": "admin"}},
            {"permissions": {"contents": "write", "issues": "read"}},
            {"permissions": {"contents": "owner"}},
            {"permissions": None},
            {"repositories": [{"name": "shop"}, {"name": "payroll"}]},
            {"repositories": [{"full_name": "acme/shop"}]},
            {"repositories": ["shop"]},
            {"repositories": {"name": "shop"}},
            {"expires_at": "soon"},
            {"expires_at": None},
            {"expires_at": "2020-01-01T00:00:00Z"},
        ],
    )
    def test_a_wider_token_is_not_used(self, house: House, changed: dict[str, Any]) -> None:
        """More repositories or permissions than asked for, or no expiry that lies ahead: 503."""
        self.server(house).changed = changed
        assert house.refused() == "503 credential_unavailable"

    @pytest.mark.parametrize("told", [None, [], [{"name": "Shop", "id": 7}]])
    def test_a_token_for_our_repositories_is_used(self, house: House, told: Any) -> None:
        """As the server writes their names, or where it does not say."""
        self.server(house).changed = {"repositories": told}
        assert house.obtain().headers

    def test_a_key_of_another_kind_is_refused(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """Text that is no RSA key signs nothing, and is in no message."""
        monkeypatch.setenv("SECRET", "n0 key of any kind")
        house.secrets = ["n0 key"]
        assert house.refused() == "503 credential_unavailable"
        assert self.server(house).seen == []
