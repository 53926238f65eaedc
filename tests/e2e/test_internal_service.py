"""A real service behind the real proxy knows who calls it; whoever goes around the proxy, or forges, gets nowhere."""

import asyncio
import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.app.core import Core, open_core
from proxy.app.serve import Running, serving
from proxy.demo.certificates import ServerFiles, make_server_files
from proxy.demo.leash import __file__ as leash
from proxy.downstream.profile import digest
from tests.fakes.accounts import claims_of, decided, hmac_signed, signed_again, signer, with_parts
from tests.fakes.serving import configured
from tests.fakes.waiting import PATIENCE
from tests.fakes.world import INVENTORY

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "internal_service.py"
PATH = "/v1/customers/c-7"


@dataclass
class Scene:
    """The proxy, the service behind it, and a way around the proxy straight to the service."""

    core: Core
    running: Running
    files: ServerFiles
    port: int
    process: subprocess.Popen[str]

    async def handle(self) -> str:
        handle, _ = await self.core.handles.issue(
            agent="support-bot", purpose="t", ttl=600, issued_by="t", now=time.time(), on_behalf_of="alice"
        )
        return handle

    async def agent(self) -> httpx.AsyncClient:
        """An agent that works for Alice."""
        handle = await self.handle()
        trust = ssl.create_default_context(cafile=str(self.running.bundle))
        proxy = f"http://support-bot:{handle}@{self.running.proxy}"
        return httpx.AsyncClient(
            proxy=proxy, verify=trust, trust_env=False, base_url="https://crm.test", timeout=PATIENCE
        )

    async def direct(self, token: str | None, method: str = "GET", path: str = PATH, body: bytes = b"") -> Any:
        """Straight to the service, with this token: status and reason."""
        trust = ssl.create_default_context(cafile=str(self.files.root))
        headers = {} if token is None else {"txn-token": token}
        async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=PATIENCE) as client:
            answer = await client.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers={"host": "crm.test", **headers},
                content=body,
                extensions={"sni_hostname": "crm.test"},
            )
        return answer.status_code, answer.json().get("reason")

    def token(self, **changes: Any) -> str:
        """One as the proxy's own key would sign it now, for a call that the service would take."""
        minter, made = self.core.pipeline._parts.minter, self.core.signer
        assert minter is not None
        assert made is not None
        token = minter.mint(decided(), None, "a" * 32, time.time())
        assert token is not None
        request = {"dst": "https://crm.test", "method": "GET", "target_sha256": digest(PATH.encode())}
        changes = {"rctx": {**request, "body_sha256": digest(b""), **changes.pop("rctx", {})}, **changes}
        return signed_again(made, token.value, **changes)

    def printed(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@contextlib.asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Scene]:
    """Everything started, the service last: whoever calls too early waits."""
    files = make_server_files(folder / "tls", ["crm.test"])
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        port = listening.getsockname()[1]
        place = f"connect: 127.0.0.1:{port}\n    ca_bundle: {files.root}"
        inventory = INVENTORY.replace("connect: 127.0.0.1:8443", place)
        settings = configured(folder, inventory=inventory, more="downstream: {trust_domain: test.example}\n")
        async with open_core(settings) as core, serving(core) as running:
            command = [
                sys.executable, leash, sys.executable, str(EXAMPLE), "--trust-domain", "test.example",
                "--destination", "https://crm.test", "--jwks", f"{running.console}/.well-known/jwks.json",
                "--certificate", str(files.chain), "--key", str(files.key), "--fd", str(listening.fileno()),
            ]  # fmt: skip
            fds = (listening.fileno(),)
            with started(command, fds) as process:
                yield Scene(core, running, files, port, process)


@contextlib.contextmanager
def started(command: list[str], fds: tuple[int, ...]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=fds) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_service_prints_who_is_behind_a_call(tmp_path: Path) -> None:
    """Human, agent, service: proven to it by us, whatever the agent says of itself; recorded, by its id alone."""

    async def main() -> None:
        async with staged(tmp_path) as scene, await scene.agent() as agent:
            headers = {
                "txn-token": "an.agents.own",
                "x-agent": "admin",
                "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
            }
            for _ in range(2):  # alike to the byte, and no replay
                answer = await agent.get(PATH, headers=headers)
                assert (answer.status_code, answer.json()) == (
                    200,
                    {
                        "chain": "human:alice -> agent:support-bot (endorsed, opaque_handle)",
                        "wholly_verified": False,
                        "approval": "",
                    },
                )
            assert await asyncio.to_thread(scene.printed) == (
                "GET crm/get_customer: human:alice -> agent:support-bot (endorsed, opaque_handle); "
                "olivia answers for it\n"
            )
            answer = await agent.post("/v1/refunds", json={"customer": "c-7", "amount": 900})
            assert answer.status_code == 200
            held = await agent.post("/v1/refunds", json={"customer": "c-7", "amount": 20_000})
            assert held.status_code == 428
            hold = held.json()["hold_id"]
            await scene.core.holds.vote(hold, "olivia", "approve", channel="t", assurance="session", now=time.time())
            answer = await agent.post("/v1/refunds", json={"customer": "c-7", "amount": 20_000})
            assert answer.json()["approval"] == hold

            odd = await agent.get("/v1/customers/c%207%2B", params={"q": "é +&", "a": ""})
            assert odd.status_code == 200
            by_gateway = httpx.AsyncClient(
                base_url=f"http://{scene.running.gateway}/crm", trust_env=False, timeout=PATIENCE
            )
            async with by_gateway as client:
                answer = await client.get(PATH, headers={"authorization": f"Bearer {await scene.handle()}"})
            assert answer.json()["chain"] == "human:alice -> agent:support-bot (endorsed, opaque_handle)"

    asyncio.run(main())
    entries = b"".join(path.read_bytes() for path in (tmp_path / "state" / "audit" / "entries").iterdir())
    assert len(re.findall(rb'"downstream":\{"txn":"txn_[0-9a-f]{32}"\}', entries)) == 6
    assert b"eyJ" not in entries


FORGERIES: dict[str, tuple[Callable[[Scene], str | None], str]] = {
    "none at all": (lambda _: None, "token_missing"),
    "another trust domain": (lambda scene: scene.token(aud="prod.example"), "token_audience"),
    "alg none": (
        lambda scene: with_parts(scene.token(), head={"typ": "txntoken+jwt", "alg": "none", "kid": _kid(scene)}),
        "token_algorithm",
    ),
    "HS256 with our public key": (lambda scene: hmac_signed(scene.core.signer, scene.token()), "token_algorithm"),
    "expired": (lambda scene: scene.token(iat=int(time.time()) - 90, exp=int(time.time()) - 30), "token_expired"),
    "another method": (lambda scene: scene.token(rctx={"method": "POST"}), "method_differs"),
    "another path": (
        lambda scene: scene.token(rctx={"target_sha256": digest(b"/v1/exports/customers")}),
        "target_differs",
    ),
    "another body": (lambda scene: scene.token(rctx={"body_sha256": digest(b"x")}), "body_differs"),
    "another service": (lambda scene: scene.token(rctx={"dst": "https://notes.test"}), "destination_differs"),
    "a spliced act": (
        lambda scene: with_parts(scene.token(), payload=claims_of(scene.token()) | {"sub": "human:olivia"}),
        "token_signature",
    ),
    "an act that is not the chain": (
        lambda scene: scene.token(
            act={"iss": "spiffe://test.example/countersign", "sub": "agent:x", "sub_profile": "x"}
        ),
        "token_claims",
    ),
    "a truncated act": (lambda scene: scene.token(act=None), "token_claims"),
    "nested garbage": (lambda scene: scene.token(act=json.loads('{"act":' * 12 + "{}" + "}" * 12)), "token_claims"),
    "an unknown key": (
        lambda scene: with_parts(scene.token(), head={"typ": "txntoken+jwt", "alg": "ES256", "kid": "unknown"}),
        "key_unknown",
    ),
    "another house's key": (
        lambda scene: signer(scene.files.root.parent).sign(claims_of(scene.token())),
        "key_unknown",
    ),
    "too large": (lambda scene: scene.token(padding="x" * 4096), "token_too_large"),
}


def _kid(scene: Scene) -> str:
    assert scene.core.signer is not None
    return scene.core.signer.key_id


def test_each_forgery_is_refused_with_its_reason(tmp_path: Path) -> None:
    """Straight at the service, around the proxy, and even by who has its key; the real one passes, once."""

    async def main() -> None:
        async with staged(tmp_path) as scene:
            for name, (forge, reason) in FORGERIES.items():
                assert await scene.direct(forge(scene)) == (401, reason), name
            token = scene.token()
            assert await scene.direct(token, path=PATH + "?all=yes") == (401, "target_differs")
            assert await scene.direct(token, method="DELETE") == (401, "method_differs")
            assert await scene.direct(token) == (200, None)
            assert await scene.direct(token) == (401, "token_replayed")

    asyncio.run(main())


@pytest.mark.parametrize("missing", ["--trust-domain", "--destination", "--jwks"])
def test_the_example_does_not_start_half_configured(missing: str) -> None:
    """Without any of the three it would believe too much: it says which one is missing."""
    given = {"--trust-domain": "a.example", "--destination": "https://a", "--jwks": "https://a/keys"}
    arguments = [part for name, value in given.items() if name != missing for part in (name, value)]
    done = subprocess.run([sys.executable, str(EXAMPLE), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert missing in done.stderr
