"""Token exchange, against a real server."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from proxy.credentials.kinds.token_exchange import TokenExchange
from proxy.downstream.chain_tokens import ChainTokens
from proxy.downstream.signer import Signer
from proxy.facts import TokenExchangeBinding
from proxy.stages import Identity, Principal, Secret
from tests.conformance.credential_kind import House, RevocableKindConformance, means
from tests.fakes.authorities import OAuthServer
from tests.fakes.delegations import NOW, caller


class Mint:
    """Says of each token whom it is about, who acts, and for which audience."""

    async def subject_token(self, identity: Identity, audience: str, now: float) -> Secret:
        """About the root."""
        await asyncio.sleep(0)
        return Secret("minted", f"subject|{identity.chain.root.id}|{audience.rpartition('/')[2]}")

    async def actor_token(self, identity: Identity, audience: str, now: float) -> Secret:
        """About the agent."""
        return Secret("minted", f"actor|{identity.agent.id}|{audience.rpartition('/')[2]}")


OURS = "https://gov.example"


def as_the_server_reads(signer: Signer, token: str, typ: str, audience: str) -> str:
    """Whom the token is about, to a server that has our keys; empty for any that does not hold."""
    head = jwt.get_unverified_header(token)
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(signer.jwks(NOW)).keys}
    try:
        said = jwt.decode(
            token, keys[head["kid"]], algorithms=["ES256"], audience=audience, issuer=OURS,
            options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "jti", "sub"]},
        )  # fmt: skip
    except jwt.PyJWTError:
        return ""
    return str(said["sub"]) if head["typ"] == f"countersign-{typ}+jwt" else ""


def business_process(who: Identity) -> Identity:
    """The same agent, at work for the nightly process."""
    root = Principal("business_process", "nightly")
    hop = replace(who.chain.hops[0], delegator=root)
    return replace(who, chain=replace(who.chain, root=root, hops=(hop,)))


class TestTokenExchange(RevocableKindConformance):
    """The subject's token is read from a reference."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[House]:
        """A server that knows alice's token."""
        given = means()
        with OAuthServer() as server:
            server.subjects = {"alices-token-1": "alice", "subject|alice|token": "alice", "bobs-token-22": "bob"}
            binding = TokenExchangeBinding(
                id="crm", token_url=f"{server.url}/token", revocation_url=f"{server.url}/revoke",
                client_id=server.client, secret="env:SECRET", subject_token="env:SUBJECT", methods=("GET",),
                paths=("/*",), audience=("crm",), unsafe_http_loopback=True,
            )  # fmt: skip
            yield House(TokenExchange(given), binding, given, server, [server.secret, "alices-token-1"])

    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Our secret, and alice's token."""
        super().environment(monkeypatch)
        monkeypatch.setenv("SUBJECT", "alices-token-1")

    def living(self, house: House) -> int:
        """Tokens that the server still knows."""
        return len(self.server(house).live)

    def server(self, house: House) -> OAuthServer:
        """The server."""
        assert isinstance(house.authority, OAuthServer)
        return house.authority

    def test_the_token_is_on_behalf_of_the_human(self, house: House) -> None:
        """RFC 8693 section 2.1: subject with its type, the audience, and no actor type without an actor."""
        house.obtain()
        form = self.server(house).seen[0].form
        assert form["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
        assert form["requested_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        assert form["audience"] == "crm"
        assert "actor_token" not in form
        assert "actor_token_type" not in form
        assert [about["sub"] for about in self.server(house).live.values()] == ["alice"]

    def test_tokens_minted_here_say_who_and_for_whom(self, house: House) -> None:
        """The mint is asked about this chain, for the authorization server as audience; both tokens are shown."""
        house.kind = TokenExchange(replace(house.means, mint=Mint()))
        house.binding = house.binding.model_copy(update={"subject_token": "minted", "actor_token": "minted"})
        house.obtain()
        ((_, about),) = self.server(house).live.items()
        assert (about["sub"], about["act"]) == ("alice", "actor|refund-bot|token")
        assert self.server(house).seen[0].form["actor_token_type"] == "urn:ietf:params:oauth:token-type:jwt"

    def test_a_server_that_trusts_our_keys_knows_each_principal(self, house: House, tmp_path: Path) -> None:
        """By our published keys alone; one agent for two people on the very same host has a token for each, cached for
        its own delegation and for no other."""
        signer = Signer.open(tmp_path / "keys", NOW)
        server = self.server(house)
        server.reads = lambda token, typ: as_the_server_reads(signer, token, typ, f"{server.url}/token")
        house.kind = TokenExchange(replace(house.means, mint=ChainTokens(signer, OURS)))
        house.binding = house.binding.model_copy(update={"subject_token": "minted", "actor_token": "minted"})
        process = business_process(caller())
        people = [caller(), caller(principal="bob"), process]
        first = [house.obtain(who).headers for who in people]
        again = [house.obtain(who, now=NOW + 30).headers for who in people]
        assert first == again
        assert len(set(first)) == 3
        assert [about["sub"] for about in server.live.values()] == ["alice", "bob", "nightly"]
        assert [about["act"] for about in server.live.values()] == ["refund-bot"] * 3
        server.reads = lambda token, typ: as_the_server_reads(signer, token, typ, "https://other.example")
        assert house.refused(caller(principal="carol")) == "503 credential_unavailable"

    def test_without_a_mint_nothing_passes(self, house: House) -> None:
        """A binding that needs tokens of ours where nobody mints any is a refusal."""
        house.binding = house.binding.model_copy(update={"subject_token": "minted"})
        assert house.refused() == "503 credential_unavailable"
        house.binding = house.binding.model_copy(update={"subject_token": "env:SUBJECT", "actor_token": "minted"})
        assert house.refused(caller(task="task_2")) == "503 credential_unavailable"
        assert self.server(house).seen == []

    @pytest.mark.parametrize("who", [caller(principal=None), caller(level="asserted")])
    def test_a_call_for_nobody_proven_is_refused(self, house: House, who: Identity) -> None:
        """An agent that acts for itself, or for somebody it only names, gets no token of anybody."""
        assert house.refused(who) == "403 credential_needs_principal"
        broken = caller()
        assert house.refused(replace(broken, chain=replace(broken.chain, complete=False))).startswith("403")
        assert self.server(house).seen == []

    def test_each_principal_has_a_file_of_its_own(self, house: House, tmp_path: Path) -> None:
        """`{principal}` names the file; one without a file, or whose name leads elsewhere, is refused."""
        (tmp_path / "alice.jwt").write_text("alices-token-1\n")
        (tmp_path / "bob.jwt").write_text("bobs-token-22\n")
        reference = f"file:{tmp_path}/{{principal}}.jwt"
        house.binding = house.binding.model_copy(update={"subject_token": reference})
        house.obtain()
        house.obtain(caller(principal="bob"))
        assert [about["sub"] for about in self.server(house).live.values()] == ["alice", "bob"]
        assert house.refused(caller(principal="carol")) == "503 credential_unavailable"
        who = caller()
        root = Principal("human", f"../{tmp_path.name}/alice")
        hop = replace(who.chain.hops[0], delegator=root)
        assert house.refused(replace(who, chain=replace(who.chain, root=root, hops=(hop,)))).startswith("503")

    @pytest.mark.parametrize(
        "members",
        [
            {"issued_token_type": None},
            {"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"},
            {"token_type": "N_A"},
        ],
    )
    def test_what_is_no_access_token_is_not_used(self, house: House, members: dict[str, Any]) -> None:
        """RFC 8693 section 2.2.1: the answer says what it issued, and only access tokens go upstream."""
        self.server(house).members = members
        assert house.refused() == "503 credential_unavailable"
