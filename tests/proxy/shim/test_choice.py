"""What a person writes after `--with`."""

from pathlib import Path
from typing import Any

import pytest

from proxy.errors import CountersignError
from proxy.shim.choice import Surroundings, means_of, read_choices
from proxy.shim.sources import CertificateFiles, NoCertificate, TokenFile
from proxy.shim.task_tokens import TaskTokens, by_handle
from proxy.shim.way import Way
from tests.fakes.tokens import FixedToken

PLAIN, TLS, LOCAL = Way("127.0.0.1", 8080), Way("gov.test", 8443, tls=True), Way(path="/run/p.sock")


async def nobody(form: Any, headers: Any) -> tuple[int, Any]:
    return 503, None


def around(way: Way, **more: Any) -> Surroundings:
    return Surroundings(way, Path("/roots.pem"), **more)


@pytest.mark.parametrize(
    ("texts", "way", "token", "certificate"),
    [
        (["handle"], PLAIN, FixedToken, None),
        (["handle"], TLS, FixedToken, NoCertificate),
        (["k8s:/var/token"], LOCAL, TokenFile, None),
        (["x509:a.pem,a.key"], TLS, None, CertificateFiles),
        (["x509:a.pem,a.key", "k8s:/var/token"], TLS, TokenFile, CertificateFiles),
        (["peer"], LOCAL, None, None),
        (["peer", "handle"], LOCAL, FixedToken, None),
        (["task:crm/a,crm/b"], PLAIN, TaskTokens, None),
    ],
)
def test_choices(texts: list[str], way: Way, token: type | None, certificate: type | None) -> None:
    """Each becomes a source, on the way that fits it."""
    handle = FixedToken("csh_x")
    given = around(way, handle=handle, post=nobody, show=by_handle(handle))
    means = means_of(read_choices(texts), given)
    assert type(means.token) is (token or type(None))
    assert type(means.certificate) is (certificate or type(None))
    assert means.way == way


@pytest.mark.parametrize(
    "text", ["", "k8s", "k8s:", "x509:a.pem", "x509:a,b,c", "svid", "peer:x", "handle:csh_x", "x509-svid:a", "vault:x"]
)
def test_what_is_unknown(text: str) -> None:
    """The list of what there is stands in the answer."""
    with pytest.raises(CountersignError, match="`svid:AUDIENCE`"):
        read_choices([text])


@pytest.mark.parametrize(
    ("texts", "words"),
    [(["handle", "k8s:/t"], "one token only"), (["x509:a,b", "x509-svid"], "one certificate only")],
)
def test_what_cannot_go_together(texts: list[str], words: str) -> None:
    """One token and one certificate at most."""
    with pytest.raises(CountersignError, match=words):
        read_choices(texts)


@pytest.mark.parametrize(
    ("text", "way", "words"),
    [
        ("x509:a,b", PLAIN, "needs TLS"),
        ("x509:a,b", LOCAL, "needs TLS"),
        ("peer", PLAIN, "UNIX socket"),
        ("peer", TLS, "UNIX socket"),
        ("task:crm/x", PLAIN, "no token endpoint"),
    ],
)
def test_what_does_not_fit_the_way(text: str, way: Way, words: str) -> None:
    """A certificate is never left away because it cannot be shown."""
    with pytest.raises(CountersignError, match=words):
        means_of(read_choices([text]), around(way))
