"""OAuth client credentials, against a real server."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from proxy.credentials.kinds.oauth_client_credentials import OAuthClientCredentials
from proxy.facts import OAuthClientCredentialsBinding
from tests.conformance.credential_kind import House, RevocableKindConformance, means
from tests.fakes.authorities import OAuthServer


class TestOAuthClientCredentials(RevocableKindConformance):
    """A client that shows its secret."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[House]:
        """A server that knows this client."""
        given = means()
        with OAuthServer() as server:
            binding = OAuthClientCredentialsBinding(
                id="crm", token_url=f"{server.url}/token", revocation_url=f"{server.url}/revoke",
                client_id=server.client, secret="env:SECRET", scope=("crm.read",), methods=("GET",), paths=("/*",),
                unsafe_http_loopback=True,
            )  # fmt: skip
            yield House(OAuthClientCredentials(given), binding, given, server, [server.secret])

    def living(self, house: House) -> int:
        """Tokens that the server still knows."""
        assert isinstance(house.authority, OAuthServer)
        return len(house.authority.live)

    def test_the_token_is_for_us_with_this_scope(self, house: House) -> None:
        """What goes out is the bearer token that the server gave for the configured scope."""
        server = house.authority
        assert isinstance(server, OAuthServer)
        (header,) = house.obtain().headers
        ((token, about),) = server.live.items()
        assert header == ("authorization", f"Bearer {token}")
        assert about["scope"] == "crm.read"

    def test_without_a_revocation_url_a_token_just_expires(self, house: House) -> None:
        """Nothing is asked of the server when the task ends, and the token is not given out again."""
        assert house.authority is not None
        house.binding = house.binding.model_copy(update={"revocation_url": None})
        house.obtain()
        self.sweep(house, {"task_1"})
        assert [seen.path for seen in house.authority.seen] == ["/token"]
        house.obtain()
        assert house.authority.issued == 2
