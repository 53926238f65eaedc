"""Agents reach the token endpoint through the proxy, at its own host: the connection is who they are."""

import asyncio
import contextlib
import json
import os
import re
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from proxy.app.core import Core, open_core
from proxy.app.serve import Running, serving
from proxy.identity.possession import thumbprint
from proxy.settings.model import Address, Identity
from proxy.settings.workloads import TrustedDomain
from tests.fakes.serving import configured, on_loopback
from tests.fakes.trust_domain import Certified, Plan, TrustDomain, certify
from tests.fakes.upstream import upstream
from tests.fakes.waiting import PATIENCE
from tests.fakes.world import ADA

DETAIL = '[{"type": "countersign_task", "actions": ["crm/get_customer"], "datatypes": ["read:customers"]}]'
FORM = {"grant_type": "client_credentials", "authorization_details": DETAIL}
OWN = "countersign.internal"
SUPPORT, OTHER = "spiffe://prod.example/agent/support", "spiffe://prod.example/agent/other"


@dataclass
class Scene:
    """The proxy, with and without TLS to itself; a service behind it; two agents with certificates."""

    folder: Path
    core: Core
    running: Running
    domain: TrustDomain
    crm: str
    issued: dict[str, Certified] = field(default_factory=dict)

    async def edit(self, user: str) -> None:
        """The support bot is this local user from now on."""
        path = self.folder / "inventory" / "inventory.yaml"
        path.write_text(re.sub(r"subject: 'uid=[0-9]+'", f"subject: '{user}'", path.read_text()))
        for _ in range(3):
            await self.core.keeper.poll(self.core.recorder.append)

    def certificate(self, uri: str) -> Certified:
        if uri not in self.issued:
            self.issued[uri] = certify(Plan(uris=(uri,)), uri, self.domain.intermediate, self.domain.at)
        return self.issued[uri]

    def agent(self, uri: str | None, bearer: str = "") -> httpx.AsyncClient:
        """An agent's HTTP client, unchanged but for its environment: a certificate, or none; a token, or none."""
        trust = ssl.create_default_context(cafile=str(self.running.bundle))
        headers = {"proxy-authorization": f"Bearer {bearer}"} if bearer else {}
        if uri is None:
            proxy = httpx.Proxy(f"http://{self.running.proxy}", headers=headers)
        else:
            shown = self.certificate(uri)
            file = self.folder / "agent.pem"
            file.write_bytes(shown.key_pem + shown.pem + self.domain.intermediate.pem)
            ours = ssl.create_default_context(cafile=str(self.running.bundle))
            ours.load_cert_chain(file)
            proxy = httpx.Proxy(f"https://{self.running.proxy_tls}", headers=headers, ssl_context=ours)
        return httpx.AsyncClient(proxy=proxy, verify=trust, trust_env=False, timeout=PATIENCE)


@contextlib.asynccontextmanager
async def staged(folder: Path, local: Path | None = None) -> AsyncIterator[Scene]:
    domain = TrustDomain(at=time.time())
    bundle = folder / "bundle.json"
    bundle.write_bytes(domain.bundle())
    async with upstream() as there:
        inventory = on_loopback(there.port)
        for agent, uri in (("support-bot", SUPPORT), ("other-bot", OTHER)):
            user = ", {issuer: unix, subject: 'uid=1'}" if agent == "support-bot" else ""
            known = f"identities: [{{issuer: 'spiffe://prod.example', subject: '{uri}'}}{user}]"
            inventory = inventory.replace(f"id: {agent}, owner", f"id: {agent}, {known}, owner")
        settings = configured(folder, inventory=inventory)
        trusted = TrustedDomain(trust_domain="prod.example", audience="https://gov.example/proxy", bundle_file=bundle)
        settings = settings.model_copy(
            update={
                "identity": Identity(token_issuer="https://gov.example", trust_domains=(trusted,)),
                "listen": settings.listen.model_copy(update={"proxy_tls": Address("127.0.0.1", 0), "local": local}),
            }
        )
        async with open_core(settings) as core, serving(core) as running:
            yield Scene(folder, core, running, domain, f"http://127.0.0.1:{there.port}")


async def token_of(scene: Scene, uri: str, scheme: str = "https") -> dict[str, Any]:
    async with scene.agent(uri) as agent:
        answer = await agent.post(f"{scheme}://{OWN}/oauth2/token", data=FORM)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


def test_a_certificate_is_all_that_an_agent_needs(tmp_path: Path) -> None:
    """Over both schemes, without any other secret; the token is bound to it, and makes calls over such a connection."""

    async def main() -> None:
        async with staged(tmp_path) as scene:
            for scheme in ("https", "http"):
                body = await token_of(scene, SUPPORT, scheme)
                token = body["access_token"]
                assert scene.core.own_tokens is not None
                said = scene.core.own_tokens.verify(token, time.time()).claims
                assert (said["client_id"], said["iss"]) == ("support-bot", "https://gov.example")
                assert said["cnf"] == {"x5t#S256": thumbprint([scene.certificate(SUPPORT).der])}
                async with scene.agent(SUPPORT, token) as agent:
                    answer = await agent.get(f"{scene.crm}/v1/customers/{ADA}")
                    assert (answer.status_code, answer.text) == (200, "hello"), answer.text
                    told = await agent.post(f"https://{OWN}/oauth2/introspect", data={"token": token})
                    assert (told.json()["active"], told.json()["cnf"]) == (True, said["cnf"])

    asyncio.run(main())


def test_a_token_that_was_taken_from_it_is_worth_nothing(tmp_path: Path) -> None:
    """Neither without a certificate, nor with that of another agent."""

    async def main() -> None:
        async with staged(tmp_path) as scene:
            token = (await token_of(scene, SUPPORT))["access_token"]
            async with scene.agent(None, token) as thief:
                assert (await thief.get(f"{scene.crm}/v1/customers/{ADA}")).status_code == 407
            async with scene.agent(OTHER, token) as thief:
                assert (await thief.get(f"{scene.crm}/v1/customers/{ADA}")).status_code == 407
                with_another = await thief.post(f"http://{OWN}/oauth2/token", data=FORM)
                assert with_another.status_code == 407

    asyncio.run(main())


def test_nobody_is_told_anything_there_without_showing_who_they_are(tmp_path: Path) -> None:
    """It is behind the same door as every call; what it tells of itself names where it is."""

    async def main() -> None:
        async with staged(tmp_path) as scene:
            async with scene.agent(None) as nobody:
                assert (await nobody.post(f"http://{OWN}/oauth2/token", data=FORM)).status_code == 407
            async with scene.agent(SUPPORT) as agent:
                told = (await agent.get(f"https://{OWN}/.well-known/oauth-authorization-server")).json()
                assert told["mtls_endpoint_aliases"]["token_endpoint"] == f"https://{OWN}/oauth2/token"
                assert "tls_client_auth" in told["token_endpoint_auth_methods_supported"]
                keys = (await agent.get(f"https://{OWN}/.well-known/jwks.json")).json()["keys"]
                assert all("d" not in key for key in keys)
                assert (await agent.get(f"https://{OWN}/oauth2/token")).status_code == 405
                assert (await agent.get(f"https://{OWN}/v1/holds/hold_x")).status_code == 404

    asyncio.run(main())


def test_a_handle_is_enough_there_too(tmp_path: Path) -> None:
    """The agent's environment as it is: no second way to show itself, no bound token."""

    async def main() -> None:
        async with staged(tmp_path) as scene:
            handle, _ = await scene.core.handles.issue(
                agent="support-bot", purpose="t", ttl=600, issued_by="t", now=time.time(), on_behalf_of="alice"
            )
            async with scene.agent(None, handle) as agent:
                body = (await agent.post(f"https://{OWN}/oauth2/token", data=FORM)).json()
                assert scene.core.own_tokens is not None
                said = scene.core.own_tokens.verify(body["access_token"], time.time()).claims
                assert (said["sub"], "cnf" in said) == ("alice", False)
                twice = {"authorization": f"Bearer {handle}"}
                assert (await agent.post(f"https://{OWN}/oauth2/token", data=FORM, headers=twice)).status_code == 401

    asyncio.run(main())


def test_a_local_process_is_known_by_its_user(tmp_path: Path) -> None:
    """At the UNIX socket the kernel says who connects: that is the client; a user who runs no agent gets nothing."""

    async def main() -> None:
        async with staged(tmp_path, local=tmp_path / "run" / "proxy.sock") as scene:
            for agent in ("support-bot", None):
                await scene.edit(f"uid={os.geteuid()}" if agent else "uid=4711")
                status, body = await over_socket(scene)
                if agent is None:
                    assert status in {403, 407}
                    continue
                assert status == 200
                assert scene.core.own_tokens is not None
                said = scene.core.own_tokens.verify(json.loads(body)["access_token"], time.time()).claims
                assert (said["client_id"], "cnf" in said) == (agent, False)

    asyncio.run(main())


async def over_socket(scene: Scene) -> tuple[int, bytes]:
    """The form, as a local program sends it to a proxy at a socket: status and body."""
    reader, writer = await asyncio.open_unix_connection(scene.folder / "run" / "proxy.sock")
    body = urlencode(FORM).encode()
    head = (
        f"POST http://{OWN}/oauth2/token HTTP/1.1\r\nHost: {OWN}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    first, _, content = answer.partition(b"\r\n\r\n")
    return int(first.split()[1]), content
