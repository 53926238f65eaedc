"""What every PersonCredentialStore does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.control.interfaces import PersonCredential, PersonCredentialStore
from proxy.errors import StoreUnavailable

TOKEN = PersonCredential("tok_1", "a" * 64, "token", "alice", 1000.0, 2000.5, "operator:uid=1000")
CODE = replace(TOKEN, id="cod_1", digest="b" * 64, kind="sign_in_code", issued_at=1100.0)
SESSION = replace(TOKEN, id="ses_1", digest="c" * 64, kind="session", person="bob")


class PersonCredentialStoreConformance(ABC):
    """The suite. Each opening of the same `place` sees the same rows, as two processes would."""

    @abstractmethod
    def opened(self, place: Path) -> AbstractAsyncContextManager[PersonCredentialStore]: ...

    def test_a_credential_comes_back_as_it_went_in(self, tmp_path: Path) -> None:
        """A credential is found by its digest, in every field, also by whoever opens the store later."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                for row in (TOKEN, CODE, SESSION):
                    await store.add_credential(row)
                assert await store.credential_by_digest(SESSION.digest) == SESSION
                assert await store.credential_by_digest("d" * 64) is None
                assert await store.credential_by_digest(SESSION.id) is None
            async with self.opened(tmp_path) as again:
                assert await again.list_credentials("alice") == [TOKEN, CODE]
                assert await again.list_credentials("nobody") == []

        asyncio.run(story())

    def test_a_credential_is_never_replaced(self, tmp_path: Path) -> None:
        """A second one of the same digest is an error, and the first one stays."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_credential(TOKEN)
                with pytest.raises(StoreUnavailable):
                    await store.add_credential(replace(SESSION, digest=TOKEN.digest))
                assert await store.credential_by_digest(TOKEN.digest) == TOKEN

        asyncio.run(story())

    def test_a_sign_in_code_works_once(self, tmp_path: Path) -> None:
        """Of many who use a code at once, in two processes, one gets the row, with the time of its use."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                await store.add_credential(CODE)
                tries = [where.use_sign_in_code(CODE.digest, 1200.0) for where in (store, other) * 5]
                used = [row for row in await asyncio.gather(*tries) if row is not None]
                assert used == [replace(CODE, used_at=1200.0)]
                assert await store.credential_by_digest(CODE.digest) == used[0]

        asyncio.run(story())

    def test_only_a_living_code_can_be_used(self, tmp_path: Path) -> None:
        """Expired, revoked, unknown, or no code at all: None, and nothing is marked as used."""

        async def story() -> None:
            revoked = replace(CODE, id="cod_2", digest="e" * 64)
            async with self.opened(tmp_path) as store:
                for row in (TOKEN, CODE, revoked):
                    await store.add_credential(row)
                await store.revoke_credential(revoked.id, 1150.0)
                assert await store.use_sign_in_code(CODE.digest, CODE.not_after) is None
                assert await store.use_sign_in_code(revoked.digest, 1200.0) is None
                assert await store.use_sign_in_code(TOKEN.digest, 1200.0) is None
                assert await store.use_sign_in_code("f" * 64, 1200.0) is None
                assert await store.credential_by_digest(TOKEN.digest) == TOKEN

        asyncio.run(story())

    def test_a_credential_is_revoked_once(self, tmp_path: Path) -> None:
        """The first revocation is kept with its time; later ones and unknown ids say False."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_credential(TOKEN)
                assert await store.revoke_credential(TOKEN.id, 1300.5) is True
                assert await store.revoke_credential(TOKEN.id, 1400.0) is False
                assert await store.revoke_credential("tok_9", 1400.0) is False
                assert await store.credential_by_digest(TOKEN.digest) == replace(TOKEN, revoked_at=1300.5)

        asyncio.run(story())
