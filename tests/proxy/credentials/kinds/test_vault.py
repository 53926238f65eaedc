"""OpenBao or Vault, against a server with leases."""

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.credentials.kinds.vault import Vault
from proxy.facts import VaultBinding
from tests.conformance.credential_kind import House, RevocableKindConformance, means
from tests.fakes.delegations import NOW, caller
from tests.fakes.vault_server import ROOT, VaultServer


class VaultConformance(RevocableKindConformance):
    """A dynamic secret as HTTP Basic."""

    way_in: tuple[tuple[str, str], ...]

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[House]:
        """A server with a database engine."""
        given = means()
        with VaultServer("role-id-1", "secret-id-1") as server:
            binding: dict[str, Any] = {
                "id": "db", "url": server.url, "path": "database/creds/readonly", "field": "password",
                "username_field": "username", "methods": ("GET",), "paths": ("/*",), "unsafe_http_loopback": True,
            }  # fmt: skip
            yield House(
                Vault(given), VaultBinding(**binding, **dict(self.way_in)), given, server, [ROOT, "secret-id-1"]
            )

    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A token, and a role with its secret."""
        monkeypatch.setenv("TOKEN", ROOT)
        monkeypatch.setenv("ROLE", "role-id-1")
        monkeypatch.setenv("ROLE_SECRET", "secret-id-1")

    def server(self, house: House) -> VaultServer:
        """The server."""
        assert isinstance(house.authority, VaultServer)
        return house.authority

    def living(self, house: House) -> int:
        """Leases that the server still keeps."""
        return len(self.server(house).leases)

    def test_user_and_password_go_out_as_basic(self, house: House) -> None:
        """Both come from the same lease."""
        ((name, value),) = house.obtain().headers
        assert (name, value) == ("authorization", "Basic " + base64.b64encode(b"v-1:dynamic-password-1").decode())

    def test_a_renewed_lease_leaves_the_old_one_until_its_end(self, house: House) -> None:
        """What is in use may finish; the end of the task ends both."""
        house.obtain()
        house.obtain(now=NOW + 3500)
        assert self.living(house) == 2
        self.sweep(house, {"task_1"}, NOW + 3501)
        assert self.living(house) == 0

    def test_a_stored_secret_has_no_lease(self, house: House) -> None:
        """KV version 2 by its dotted field, in a header; it is read again after a while, and nothing is to be ended."""
        update = {"path": "secret/data/crm", "field": "data.key", "username_field": None, "header": "X-Key",
                  "value": "{secret}"}  # fmt: skip
        house.binding = house.binding.model_copy(update=update)
        assert house.obtain().headers == (("x-key", "stored-key-1"),)
        assert house.obtain(now=NOW + 10).headers == (("x-key", "stored-key-1"),)
        assert house.obtain(now=NOW + 61).headers == (("x-key", "stored-key-2"),)
        self.sweep(house, {"task_1"}, NOW + 62)
        assert self.server(house).tokens == {ROOT}

    @pytest.mark.parametrize("field", ["nothing", "data", "data.nothing", "data.number", "data.key.more"])
    def test_a_field_that_holds_no_text_is_refused(self, house: House, field: str) -> None:
        """A wrong place yields no credential, and leaves no login behind."""
        update = {"path": "secret/data/crm", "field": field, "username_field": None}
        house.binding = house.binding.model_copy(update=update)
        assert house.refused() == "503 credential_unavailable"
        assert self.server(house).tokens == {ROOT}

    @pytest.mark.parametrize("wrong", [{"field": "nothing"}, {"username_field": "nothing"}])
    def test_a_lease_of_no_use_is_ended(self, house: House, wrong: dict[str, str]) -> None:
        """A wrong field must not have each try leave an account behind in the database."""
        house.binding = house.binding.model_copy(update=wrong)
        assert house.refused() == "503 credential_unavailable"
        assert self.living(house) == 0
        assert self.server(house).tokens == {ROOT}

    def test_the_namespace_is_told(self, house: House) -> None:
        """Every request carries it."""
        house.binding = house.binding.model_copy(update={"namespace": "team/app"})
        house.obtain()
        assert {seen.headers.get("x-vault-namespace") for seen in self.server(house).seen} == {"team/app"}


class TestByToken(VaultConformance):
    """The proxy has a token of its own."""

    way_in = (("token", "env:TOKEN"),)

    def test_only_the_lease_ends(self, house: House) -> None:
        """The proxy's own token lives on."""
        house.obtain()
        self.sweep(house, {"task_1"})
        assert self.server(house).tokens == {ROOT}


class TestByAppRole(VaultConformance):
    """The proxy logs in, once for each delegation."""

    way_in = (("role_id", "env:ROLE"), ("secret_id", "env:ROLE_SECRET"))

    def test_the_login_ends_with_the_lease(self, house: House) -> None:
        """Each delegation has a login of its own, which ends with it; ending an ended one is no failure."""
        house.obtain()
        house.obtain(caller(task="task_2"))
        assert self.server(house).tokens == {ROOT, "login-token-1", "login-token-2"}
        self.server(house).tokens.discard("login-token-2")
        self.sweep(house, {"task_1", "task_2"})
        assert self.server(house).tokens == {ROOT}
        assert not house.means.held._past

    def test_a_secret_lives_no_longer_than_its_login(self, house: House) -> None:
        """Leases die with the token that took them, so a short login means a short life here."""
        self.server(house).token_life = 100
        first = house.obtain()
        assert house.obtain(now=NOW + 99).secrets != first.secrets
