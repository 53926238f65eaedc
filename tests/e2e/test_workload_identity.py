"""Agents without a secret of ours: SVIDs, a cluster's tokens and the kernel's word, by real clients, end to end."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from spiffe._proto import workload_pb2

from proxy.demo.stage import Stage, open_stage
from tests.e2e.conftest import replace
from tests.e2e.driving import CRM, issue, python_client, records
from tests.e2e.test_shim import LISTEN, shimmed
from tests.fakes.client_certificates import issue as self_signed
from tests.fakes.cluster import ACCOUNT, CLUSTER, US, account_token, cluster_keys
from tests.fakes.issuer import key_set
from tests.fakes.trust_domain import AGENT, DOMAIN, OURS, Plan, TrustDomain, certify
from tests.fakes.waiting import PATIENCE
from tests.fakes.workload_api_server import WorkloadApiServer

CUSTOMER = f"{CRM}/v1/customers/c-7"
NOBODY = 65534
ADMIN = f"spiffe://{DOMAIN}/agent/admin"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
IDENTITIES = f"""\
    identities:
      - {{{{issuer: "spiffe://{DOMAIN}", subject: "{AGENT}"}}}}
      - {{{{issuer: "{CLUSTER}", subject: "{ACCOUNT}"}}}}
      - {{{{issuer: unix, subject: uid={NOBODY}}}}}
""".replace("{{", "{").replace("}}", "}")
OTHER = f"""\
  - id: admin-bot
    owner: olivia
    purpose: everything
    expires: 2099-01-01
    review_due: 2099-01-01
    identities: [{{issuer: "spiffe://{DOMAIN}", subject: "{ADMIN}"}}]
services:
"""


@dataclass
class Place:
    """A stage that trusts a domain and a cluster, and the files of an agent."""

    stage: Stage
    domain: TrustDomain
    folder: Path
    status: dict[str, Any]

    def svid(self, name: str = AGENT) -> Path:
        """A chain with its key, in one file."""
        leaf = certify(Plan(uris=(name,)), f"leaf-{name}", self.domain.intermediate, self.domain.at)
        path = self.folder / f"{name.rpartition('/')[2]}.pem"
        path.write_bytes(leaf.key_pem + leaf.pem + self.domain.intermediate.pem)
        return path

    @property
    def roots(self) -> str:
        return str(self.stage.directory / "state" / "ca" / "bundle.pem")

    def trust(self, *shown: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.roots)
        for file in shown:
            context.load_cert_chain(file)
        return context

    @property
    def proxy(self) -> str:
        return f"https://{self.status['proxy_tls']}"

    def last(self) -> dict[str, Any]:
        """The last call that was decided."""
        return records(self.stage, type="call.decided")[-1]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    domain = TrustDomain(at=time.time())
    with tempfile.TemporaryDirectory(prefix="countersign-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "bundle.json").write_bytes(domain.bundle())
        (folder / "cluster.json").write_bytes(key_set(cluster_keys()))

        def prepare(stage: Stage) -> None:
            doors = f'proxy_tls: "127.0.0.1:0", local: "{folder}/proxy.sock"'
            replace(stage.config, LISTEN, f'"127.0.0.1:0", {doors}, control')
            replace(
                stage.config,
                "identity: {",
                f"identity: {{trust_domains: [{{trust_domain: {DOMAIN}, audience: '{OURS}', "
                f"bundle_file: {folder}/bundle.json}}], kubernetes: [{{issuer: '{CLUSTER}', "
                f"audience: {US}, jwks_file: {folder}/cluster.json}}], ",
            )
            purpose = "    purpose: answer customers and refund small amounts\n"
            replace(stage.agents_file, purpose, f"{purpose}{IDENTITIES}")
            replace(stage.agents_file, "services:\n", OTHER)

        with open_stage(agent=False, prepare=prepare) as stage:
            yield Place(stage, domain, folder, stage.ask("GET", "/v1/status"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl_with_an_svid(place: Place) -> None:
    """curl shows its SVID to the proxy, and is the agent."""
    done = subprocess.run(
        ["curl", "-sS", "-x", place.proxy, "--proxy-cacert", place.roots, "--proxy-cert", str(place.svid()),
         "--cacert", place.roots, CUSTOMER],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["name"] == "Ada Example"
    assert place.last()["agent"]["id"] == "support-bot"


def test_httpx_with_an_svid(place: Place) -> None:
    """httpx does the same; several calls in one tunnel are one identity."""
    proxy = httpx.Proxy(place.proxy, ssl_context=place.trust(place.svid()))
    with httpx.Client(proxy=proxy, verify=place.trust(), trust_env=False, timeout=PATIENCE) as agent:
        assert [agent.get(CUSTOMER).status_code for _ in range(2)] == [200, 200]
    assert place.last()["agent"]["id"] == "support-bot"


def test_a_certificate_that_nobody_vouches_for(place: Place) -> None:
    """Self-signed with the agent's own ID: the proxy gives no tunnel."""
    forged = self_signed(AGENT).file(place.folder / "forged.pem")
    proxy = httpx.Proxy(place.proxy, ssl_context=place.trust(forged))
    with httpx.Client(proxy=proxy, verify=place.trust(), trust_env=False, timeout=PATIENCE) as agent:
        with pytest.raises(httpx.ProxyError, match=r"407|403"):
            agent.get(CUSTOMER)
        assert records(place.stage, type="identity.refused")


def test_a_certificate_inside_the_tunnel_makes_nobody_an_admin(place: Place) -> None:
    """The agent outside, admin's genuine SVID inside: the call is the agent's."""
    proxy = httpx.Proxy(place.proxy, ssl_context=place.trust(place.svid()))
    with httpx.Client(proxy=proxy, verify=place.trust(place.svid(ADMIN)), trust_env=False) as agent:
        assert agent.get(CUSTOMER, headers={"Proxy-Authorization": "Basic YWRtaW46eA=="}).status_code == 200
    assert place.last()["agent"]["id"] == "support-bot"


def test_an_svid_and_the_handle_of_another(place: Place) -> None:
    """Both are good, and they contradict each other: nobody."""
    handle = issue(place.stage)["handle"]
    host = place.proxy.removeprefix("https://")
    proxy = httpx.Proxy(f"https://x:{handle}@{host}", ssl_context=place.trust(place.svid(ADMIN)))
    with (
        httpx.Client(proxy=proxy, verify=place.trust(), trust_env=False, timeout=PATIENCE) as agent,
        pytest.raises(httpx.ProxyError, match=r"407|403"),
    ):
        agent.get(CUSTOMER)
    assert records(place.stage, type="identity.refused")[-1]["error"]["reason"] == "identity_conflict"


def test_a_user_who_runs_no_agent(place: Place) -> None:
    """Our own user at the UNIX socket, with nothing else to show, gets no tunnel."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(place.status["local"])
        sock.sendall(b"CONNECT crm.demo.internal:443 HTTP/1.1\r\nHost: crm.demo.internal:443\r\n\r\n")
        assert sock.recv(1000).split(b" ")[1] in {b"403", b"407"}


def called(place: Place, *options: str, env: dict[str, str] | None = None) -> int:
    """The status of a call by a program under the shim, which asks no server."""
    unasked = ("--roots", place.roots, *options)
    with _environment(env or {}), shimmed(place.stage, python_client("web.py", "requests"), *unasked) as program:
        return program.call("GET", "/v1/customers/c-7")[0]


@contextlib.contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def test_the_shim_with_certificate_files(place: Place) -> None:
    """A program that cannot show a certificate is shown by the shim."""
    file = place.svid()
    assert called(place, "--with", f"x509:{file},{file}", "--through", place.proxy) == 200
    assert place.last()["agent"]["id"] == "support-bot"


def test_the_shim_with_a_token_of_the_cluster(place: Place) -> None:
    """The projected token, read from its file."""
    now = int(time.time())
    token = place.folder / "token"
    token.write_text(account_token(exp=now + 3000, iat=now - 10, nbf=now - 10))
    assert called(place, "--with", f"k8s:{token}", "--through", place.proxy) == 200
    assert place.last()["agent"]["id"] == "support-bot"


class Workload(WorkloadApiServer):
    """Gives the SVIDs of the agent, too."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.folder)
        self.domain = place.domain
        self.lock = threading.Lock()

    def FetchX509SVID(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - the name of the RPC
        self._admit("FetchX509SVID", context)
        leaf = certify(Plan(), "workload", self.domain.intermediate, self.domain.at)
        key = leaf.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        chain = leaf.der + self.domain.intermediate.der
        svid = workload_pb2.X509SVID(spiffe_id=AGENT, x509_svid=chain, x509_svid_key=key, bundle=self.domain.root.der)
        yield workload_pb2.X509SVIDResponse(svids=[svid])

    def FetchJWTSVID(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        self._admit("FetchJWTSVID", context)
        token = self.domain.token({"aud": list(request.audience)})
        return workload_pb2.JWTSVIDResponse(svids=[workload_pb2.JWTSVID(spiffe_id=AGENT, svid=token)])


@pytest.mark.parametrize("source", [f"svid:{OURS}", "x509-svid"])
def test_the_shim_with_the_workload_api(place: Place, source: str) -> None:
    """The program's SVID, as the Workload API gives it to us."""
    with Workload(place) as api:
        env = {"SPIFFE_ENDPOINT_SOCKET": api.address}
        assert called(place, "--with", source, "--through", place.proxy, env=env) == 200
        assert api.calls == ["FetchJWTSVID" if source.startswith("svid") else "FetchX509SVID"]
    assert place.last()["agent"]["id"] == "support-bot"


@as_root
def test_the_shim_as_the_user_of_the_program(place: Place) -> None:
    """With nothing but its user to show: the kernel names the user as whom the program runs, not us."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl here")
    told = place.stage.command("run", "--agent", "support-bot", "--with", "peer", "--user", str(NOBODY))
    done = subprocess.run(
        [*told, "--", curl, "-s", CUSTOMER], capture_output=True, text=True, check=True, cwd="/", timeout=60
    )
    assert json.loads(done.stdout)["name"] == "Ada Example", done.stderr
    decided = place.last()
    assert (decided["agent"]["id"], decided["client"]["ip"]) == ("support-bot", f"unix:uid={NOBODY}")
