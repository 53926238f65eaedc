"""SVIDs from the Workload API, of which only the client is a fake here."""

import asyncio
import importlib
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from proxy.errors import CountersignError
from proxy.shim import workload
from proxy.shim.sources import SourceFailed
from proxy.shim.workload import JwtSvids, X509Svids
from tests.fakes.agents import rig
from tests.fakes.client_certificates import Issued, issue
from tests.fakes.world import Clock


@dataclass
class Api:
    """A Workload API that gives what it has, in whatever thread it is asked."""

    token: str = "a.b.c"
    expiry: float = 200.0
    issued: Issued = field(default_factory=issue)
    broken: bool = False
    asked: list[Any] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def fetch_jwt_svid(self, audience: set[str], timeout: float) -> Any:
        self._note(audience)
        return SimpleNamespace(token=self.token, expiry=self.expiry)

    def fetch_x509_svid(self, timeout: float) -> Any:
        self._note(timeout)
        one = self.issued
        return SimpleNamespace(private_key=one.key, cert_chain=[one.certificate], leaf=one.certificate)

    def _note(self, what: Any) -> None:
        self.asked.append(what)
        self.threads.add(threading.get_ident())
        if self.broken:
            raise RuntimeError("the socket is gone")


def test_a_jwt_svid_is_renewed_before_it_ends() -> None:
    """For our audience, in a thread, and again after half of its life."""
    api, clock = Api(), Clock(100.0)

    async def run() -> None:
        source = JwtSvids("countersign", lambda: api, clock)
        assert await source.token() == await source.token() == "a.b.c"
        clock.now, api.token = 150.0, "d.e.f"
        assert await source.token() == "d.e.f"
        assert api.asked == [{"countersign"}] * 2
        assert threading.get_ident() not in api.threads

    asyncio.run(run())


def test_an_api_that_is_away() -> None:
    """There is no credential, said without the library's text; a later try makes a new client."""
    made: list[Api] = []

    def make() -> Api:
        made.append(Api(broken=not made))
        return made[-1]

    async def run() -> None:
        source = JwtSvids("countersign", make, Clock(100.0))
        with pytest.raises(SourceFailed, match=r"gives no SVID \(RuntimeError\)"):
            await source.token()
        assert await source.token() == "a.b.c"
        assert len(made) == 2

    asyncio.run(run())


def test_an_x509_svid_is_shown_to_the_proxy(tmp_path: Path) -> None:
    """Its key never lies in a file, and what the proxy gets is this very certificate."""
    api = Api()

    async def run() -> None:
        async with rig(proxy_tls=("127.0.0.1", 0)) as r:
            context = await X509Svids(r.directory / "ca.pem", lambda: api).context()
            wire = await r.tunnel_over(await r.dial_tls(context=context))
            assert r.gate.tunnels[0][1].certificates == (api.issued.der,)
            await wire.close()

    asyncio.run(run())


def test_an_x509_svid_whose_key_does_not_fit(tmp_path: Path) -> None:
    """It is no credential."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(issue().certificate.public_bytes(Encoding.PEM))
    one, other = issue(), issue()
    api = Api(issued=Issued(one.certificate, other.key))
    with pytest.raises(SourceFailed, match="cannot be used for TLS"):
        asyncio.run(X509Svids(roots, lambda: api).context())


def test_without_the_library_or_the_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Said at once, with what to install or set."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.delenv("SPIFFE_ENDPOINT_SOCKET", raising=False)
    monkeypatch.setattr(workload.importlib, "import_module", missing)
    with pytest.raises(CountersignError, match="pip install"):
        JwtSvids("countersign")
    library = SimpleNamespace(WorkloadApiClient=Api)
    monkeypatch.setattr(workload.importlib, "import_module", lambda _: library)
    with pytest.raises(CountersignError, match="SPIFFE_ENDPOINT_SOCKET"):
        X509Svids(tmp_path)
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", f"unix:{tmp_path}/none")
    assert asyncio.run(JwtSvids("countersign", clock=Clock(100.0)).token()) == "a.b.c"


def test_the_library_has_what_is_asked_of_it() -> None:
    """The real client's methods take what we give them."""
    pytest.importorskip("spiffe")
    import inspect

    client = importlib.import_module("spiffe").WorkloadApiClient
    inspect.signature(client.fetch_jwt_svid).bind(None, audience={"x"}, timeout=1.0)
    inspect.signature(client.fetch_x509_svid).bind(None, timeout=1.0)
    assert issubclass(ssl.SSLError, OSError)
