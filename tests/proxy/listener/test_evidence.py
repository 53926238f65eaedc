"""Collecting credentials, unverified."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.listener.evidence import SocketEvidence, collect
from proxy.stages import Evidence, LocalPeer


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_proxy_reads_one_field_only() -> None:
    """`Authorization` through a proxy is meant for the upstream, so it is no evidence."""
    fields = {"proxy-authorization": ["Bearer t"], "authorization": ["Bearer other"], "x-api-key": ["k"]}
    assert collect("p", "forward", fields).credentials == (("bearer", "t"),)


def test_a_gateway_reads_all_of_them() -> None:
    """At the gateway every credential counts, so that two that disagree can be noticed."""
    fields = {"proxy-authorization": ["Bearer t"], "authorization": [basic("bot:pw")], "x-api-key": ["k"]}
    assert collect("p", "gateway", fields).credentials == (("bearer", "t"), ("basic", "pw"), ("bearer", "k"))


def test_nothing_presented() -> None:
    """No credential is not a malformed one."""
    evidence = collect("p", "forward", {})
    assert (evidence.credentials, evidence.malformed) == ((), "")


def test_a_password_may_hold_colons() -> None:
    """Only the first colon divides (RFC 7617)."""
    assert collect("p", "forward", {"proxy-authorization": [basic("u:a:b")]}).credentials == (("basic", "a:b"),)


@pytest.mark.parametrize(
    "values",
    [
        ["Bearer a", "Bearer b"], ["Bearer a", "Bearer a"], ["Bearer"], ["Bearer "], ["Bearer a b"], ["Bearer a,b"],
        ["Basic"], ["Basic !!!"], ["Basic YQ"], [basic("no-colon")], [basic("u:")], ["Basic " + "/" * 8],
        ["Basic " + base64.b64encode(b"u:\xff").decode()], [basic("u:a\nb")], ["Digest x"], ["Negotiate x"], [""],
        ["Bearer " + "a" * 9000], ["token"],
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_malformed(values: list[str]) -> None:
    """A credential that cannot be read hides all others, and is not "nothing presented"."""
    evidence = collect("p", "gateway", {"x-api-key": ["k"], "authorization": values})
    assert evidence.credentials == ()
    assert evidence.malformed
    assert "aaaa" not in evidence.malformed


@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_values_give_evidence_or_say_why_not(values: list[str]) -> None:
    """There is no third outcome, and never both."""
    evidence = collect("p", "forward", {"proxy-authorization": values})
    assert not (evidence.credentials and evidence.malformed)
    assert bool(evidence.credentials or evidence.malformed) == bool(values)


def test_what_the_socket_proves_stands_beside_what_is_presented() -> None:
    """Certificates and the local peer are added, and what cannot be read stays a refusal."""
    local = LocalPeer(1, 2, 3)
    socket = SocketEvidence(local, lambda: (b"der",))
    assert socket.beside(Evidence("p", (("basic", "x"),))) == Evidence("p", (("basic", "x"),), "", (b"der",), local)
    assert socket.beside(Evidence("p", (), "twice")).malformed == "twice"
    assert SocketEvidence().beside(Evidence("p")) == Evidence("p")
