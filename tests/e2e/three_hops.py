"""A house in which a human's orchestrator hands a part of its task to another agent, which calls an internal service.

Everything that counts is real: the provider where the human logs in, our token endpoint and proxy with their doors,
TLS, and the internal service as a process of its own.
"""

import asyncio
import contextlib
import json
import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from proxy.app.core import Core, open_core
from proxy.app.serve import Running, serving
from proxy.demo.certificates import ServerFiles, make_server_files
from proxy.demo.leash import __file__ as leash
from tests.e2e.identity_provider import ASSERTION, PEOPLE, IdentityProvider, identity_provider
from tests.fakes.agents import Wire
from tests.fakes.issuer import jwk, sign
from tests.fakes.serving import configured
from tests.fakes.waiting import PATIENCE
from tests.fakes.world import INVENTORY

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "internal_service.py"
OURS = "https://gov.test"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
PATH = "/v1/customers/c-7"
AGENTS = ("orchestrator", "researcher")

SETTINGS = """\
downstream: {{trust_domain: test.example}}
identity:
  token_issuer: {ours}
  issuers:
    - {{issuer: "{issuer}", audience: "{ours}", algorithms: [RS256], jwks_url: "{jwks}",
       actors: [{{client_id: workbench, agents: [orchestrator]}}]}}
"""

PARTIES = """\
  - id: {agent}
    owner: olivia
    team: support
    purpose: refunds
    expires: 2099-01-01
    review_due: 2099-01-01
    client_keys: [{key}]
    identities: [{{issuer: "{issuer}", subject: {agent}, client_id: {agent}}}]
"""


@dataclass
class House:
    """What a test works with. `printed` are the lines that the internal service has said so far."""

    folder: Path
    core: Core
    running: Running
    idp: IdentityProvider
    files: ServerFiles
    port: int
    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    # --- at the token endpoint --------------------------------------------------------------------

    def human(self, person: str = "alice") -> str:
        """What the provider gives this person, who logs in with their password."""
        return self.idp.login(person, PEOPLE[person], OURS)[0]

    def from_idp(self, agent: str) -> str:
        """The agent's own token of the same provider."""
        return self.idp.own(agent, agent, OURS, time.time())

    def assertion(self, agent: str, **changes: Any) -> str:
        """What this agent signs for one request at our token endpoint."""
        now = int(time.time())
        good = {"iss": agent, "sub": agent, "aud": OURS, "iat": now, "exp": now + 60, "jti": secrets.token_hex(8)}
        return sign(good | changes, {"alg": "ES256", "kid": agent}, name=agent)

    async def ask(self, agent: str, path: str = "token", **form: str) -> httpx.Response:
        """A request by this agent's key, unless the form brings an assertion of its own."""
        shown = {"client_assertion_type": ASSERTION, "client_assertion": form.get("client_assertion", "")}
        shown["client_assertion"] = shown["client_assertion"] or self.assertion(agent)
        async with httpx.AsyncClient(
            base_url=f"{self.running.console}/oauth2", trust_env=False, timeout=PATIENCE
        ) as client:
            return await client.post(f"/{path}", data=form | shown)

    async def own(self, agent: str, **wanted: Any) -> str:
        """A task token of this agent for itself, which it can show as actor."""
        form = {"grant_type": "client_credentials", "authorization_details": details(**wanted)}
        return granted(await self.ask(agent, **form))

    async def exchange(self, client: str, subject: str, actor: str, **wanted: Any) -> httpx.Response:
        """Token exchange by this client, on behalf of the subject, by the actor."""
        form = {
            "grant_type": EXCHANGE,
            "subject_token": subject, "subject_token_type": ACCESS_TOKEN,
            "actor_token": actor, "actor_token_type": ACCESS_TOKEN,
            "authorization_details": details(**wanted),
        }  # fmt: skip
        return await self.ask(client, **form)

    async def first(self, *, by_idp: bool = False, person: str = "alice", **wanted: Any) -> str:
        """T1: the orchestrator's, for this person."""
        actor = self.from_idp("orchestrator") if by_idp else await self.own("orchestrator")
        asked = {"actions": ["crm/get_customer", "crm/create_refund"], "budget": {"calls": 50}} | wanted
        return granted(await self.exchange("orchestrator", await asyncio.to_thread(self.human, person), actor, **asked))

    async def second(self, first: str, *, by_idp: bool = False, **wanted: Any) -> str:
        """T2: the researcher's, a part of T1."""
        actor = self.from_idp("researcher") if by_idp else await self.own("researcher")
        asked = {"actions": ["crm/get_customer"], "budget": {"calls": 20}, "ttl_seconds": 300} | wanted
        return granted(await self.exchange("researcher", first, actor, **asked))

    # --- through the proxy ------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def agent(self, token: str) -> AsyncIterator[httpx.AsyncClient]:
        """An agent that shows this token to the proxy on CONNECT."""
        trust = ssl.create_default_context(cafile=str(self.running.bundle))
        proxy = httpx.Proxy(f"http://{self.running.proxy}", headers={"Proxy-Authorization": f"Bearer {token}"})
        async with httpx.AsyncClient(
            proxy=proxy, verify=trust, trust_env=False, base_url="https://crm.test", timeout=PATIENCE
        ) as client:
            yield client

    async def presented(self, token: str) -> tuple[int, str]:
        """A tunnel and one call in it, with this token: the status, and the reason of a refusal."""
        host, _, port = self.running.proxy.rpartition(":")
        wire = Wire(*await asyncio.open_connection(host, int(port)))
        head = f"CONNECT crm.test:443 HTTP/1.1\r\nHost: crm.test:443\r\nProxy-Authorization: Bearer {token}\r\n\r\n"
        wire.send(head.encode())
        try:
            status, _, body = await wire.answer()
            if status == 200:
                trust = ssl.create_default_context(cafile=str(self.running.bundle))
                await wire.start_tls(trust, "crm.test")
                status, _, body = await wire.ask(f"GET {PATH} HTTP/1.1\nHost: crm.test\nConnection: close\n")
            return status, "" if status == 200 else json.loads(body)["reason"]
        finally:
            await wire.close()

    # --- at the service, around the proxy ---------------------------------------------------------

    async def direct(self, *tokens: str, method: str = "GET", path: str = PATH) -> tuple[int, str]:
        """Straight to the service with these transaction tokens: the status, and the reason of a refusal."""
        trust = ssl.create_default_context(cafile=str(self.files.root))
        headers = [("host", "crm.test"), *(("txn-token", token) for token in tokens)]
        async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=PATIENCE) as client:
            answer = await client.request(
                method, f"https://127.0.0.1:{self.port}{path}", headers=headers, extensions={"sni_hostname": "crm.test"}
            )
        return answer.status_code, answer.json().get("reason", "")

    async def says(self) -> str:
        """The next line that the service prints."""
        assert self.process.stdout is not None
        return (await asyncio.to_thread(self.process.stdout.readline)).strip()


def details(**wanted: Any) -> str:
    """A task to ask for."""
    task = {"actions": ["crm/get_customer"], "datatypes": ["read:customers"], "purpose": "refunds"}
    return json.dumps([{"type": "countersign_task"} | task | wanted])


def granted(answer: httpx.Response) -> str:
    """The token of this answer."""
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def error(answer: httpx.Response) -> str:
    """Why there is none."""
    assert answer.status_code in {400, 401}, answer.text
    assert "access_token" not in answer.json()
    return str(answer.json()["error"])


def _inventory(idp: IdentityProvider, port: int, root: Path) -> str:
    known = INVENTORY.replace("connect: 127.0.0.1:8443", f"connect: 127.0.0.1:{port}\n    ca_bundle: {root}")
    for person in PEOPLE:
        identity = f'identities: [{{issuer: "{idp.issuer}", subject: {person}}}], '
        known = known.replace(f"{{id: {person}, name", f"{{id: {person}, {identity}name")
    agents = "".join(
        PARTIES.format(agent=agent, issuer=idp.issuer, key=json.dumps(jwk("ES256", agent))) for agent in AGENTS
    )
    return known.replace("services:\n", f"{agents}services:\n", 1)


@contextlib.asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    """Everything started; the service last, for whoever calls too early waits."""
    files = make_server_files(folder / "tls", ["crm.test"])
    clients = {agent: agent for agent in AGENTS} | {"bob": "bob"}  # a machine may be named as a person is
    with (
        identity_provider(OURS, clients) as idp,
        socket.create_server(("127.0.0.1", 0), backlog=64) as listening,
    ):
        port = listening.getsockname()[1]
        more = SETTINGS.format(ours=OURS, issuer=idp.issuer, jwks=idp.jwks_url)
        settings = configured(folder, inventory=_inventory(idp, port, files.root), more=more)
        async with open_core(settings) as core, serving(core) as running:
            command = [
                sys.executable, leash, sys.executable, str(EXAMPLE), "--trust-domain", "test.example",
                "--destination", "https://crm.test", "--jwks", f"{running.console}/.well-known/jwks.json",
                "--certificate", str(files.chain), "--key", str(files.key), "--fd", str(listening.fileno()),
            ]  # fmt: skip
            with _started(command, listening.fileno()) as process:
                yield House(folder, core, running, idp, files, port, process)


@contextlib.contextmanager
def _started(command: list[str], listening: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=(listening,)) as process:
        try:
            yield process
        finally:
            process.kill()
