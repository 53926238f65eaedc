"""TLS in both directions, in memory."""

import contextlib
import ssl
import time
from pathlib import Path

import pytest
from OpenSSL import SSL

from proxy.errors import CountersignError
from proxy.listener.ca import Authority
from proxy.listener.tls_contexts import AgentTls, UpstreamTls
from tests.fakes.upstream import authority, trust_file

NOW = time.time()


def shake_hands(
    ours: SSL.Connection, context: ssl.SSLContext, *, server: bool, name: str | None = None
) -> ssl.SSLObject:
    """Completes a handshake between a connection of ours and one of Python's."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = context.wrap_bio(incoming, outgoing, server_side=server, server_hostname=name)
    done = set()
    for _ in range(8):
        for who, step in (("ours", ours.do_handshake), ("theirs", theirs.do_handshake)):
            try:
                step()
                done.add(who)
            except (SSL.WantReadError, ssl.SSLWantReadError):
                pass
            if data := outgoing.read():
                ours.bio_write(data)
            with contextlib.suppress(SSL.WantReadError):
                incoming.write(ours.bio_read(65536))
        if len(done) == 2:
            return theirs
    raise AssertionError("the handshake does not end")


@pytest.fixture
def agent_tls(tmp_path: Path) -> AgentTls:
    return AgentTls(Authority.at(tmp_path, NOW))


def test_agents_are_shown_a_leaf_of_ours(tmp_path: Path, agent_tls: AgentTls) -> None:
    """A client that trusts our authority completes the handshake, and is offered HTTP/1.1 only."""
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = shake_hands(agent_tls.connection("a.test", NOW), context, server=False, name="a.test")
    assert client.selected_alpn_protocol() == "http/1.1"
    assert client.version() == "TLSv1.3"


def test_old_tls_is_not_spoken(tmp_path: Path, agent_tls: AgentTls) -> None:
    """TLS 1.1 is refused."""
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake_hands(agent_tls.connection("a.test", NOW), context, server=False, name="a.test").version() == "TLSv1.2"
    assert agent_tls.connection("a.test", NOW).get_context() is agent_tls.connection("a.test", NOW).get_context()


def upstream_context(*names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority().issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("certificate", "host", "good"),
    [
        ("a.test", "a.test", True),
        ("*.a.test", "x.a.test", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("b.test", "a.test", False),
        ("*.test", "x.a.test", False),
        ("a.test", "127.0.0.1", False),
    ],
)
def test_upstreams_prove_their_name(tmp_path: Path, certificate: str, host: str, good: bool) -> None:
    """The handshake ends in an error unless the certificate is for the host that we mean."""
    ours = UpstreamTls(None).connection(host, trust_file(tmp_path))
    if good:
        shake_hands(ours, upstream_context(certificate), server=True)
        return
    with pytest.raises((SSL.Error, ssl.SSLError)):
        shake_hands(ours, upstream_context(certificate), server=True)


def test_upstreams_of_an_unknown_authority() -> None:
    """Without a bundle of its own, a service is verified against the public roots."""
    with pytest.raises((SSL.Error, ssl.SSLError)):
        shake_hands(UpstreamTls(None).connection("a.test", None), upstream_context("a.test"), server=True)


def test_a_missing_bundle(tmp_path: Path) -> None:
    """A bundle that cannot be read is an error, never "trust anything"."""
    with pytest.raises(CountersignError, match=r"none\.pem"):
        UpstreamTls(None).connection("a.test", str(tmp_path / "none.pem"))
    with pytest.raises(CountersignError, match=r"none\.pem"):
        UpstreamTls(tmp_path / "none.pem")


def test_a_bundle_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    """Rotating a bundle needs no restart."""
    bundle = tmp_path / "bundle.pem"
    Authority.at(tmp_path, NOW).write_bundle(bundle)
    tls = UpstreamTls(None)
    before = tls.connection("a.test", str(bundle)).get_context()
    assert tls.connection("a.test", str(bundle)).get_context() is before
    bundle.write_bytes(Path(trust_file(tmp_path)).read_bytes())
    assert tls.connection("a.test", str(bundle)).get_context() is not before
