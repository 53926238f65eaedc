"""Requests to the other side: bounded, to one address, and with nothing secret in what is said of a failure."""

import asyncio

import httpx
import pytest
import respx

from proxy.control.signals.web import MAX_ANSWER, Answer, NoAnswer, Patience, Peer
from proxy.credentials.references import References

URL = "https://crm.example/ssf/events"
SECRET = "we-show-this-4711"


def post(secret=None, ca_bundle=None, within=5.0):
    async def main():
        peer = Peer(URL, secret, ca_bundle, References())
        try:
            return await peer.post(b"body", content_type="text/x", within=within)
        finally:
            await peer.close()

    return asyncio.run(main())


@respx.mock
def test_the_secret_is_shown_and_the_answer_is_whole(tmp_path):
    """As `Bearer`, read at the moment of use."""
    path = tmp_path / "t"
    path.write_text(SECRET)
    route = respx.post(URL).respond(202, content=b"ok")
    assert post(f"file:{path}") == Answer(202, b"ok")
    request = route.calls.last.request
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert (request.content, request.headers["content-type"]) == (b"body", "text/x")


@respx.mock
def test_a_redirect_is_an_answer_and_not_followed():
    """The secret goes nowhere else."""
    respx.post(URL).respond(307, headers={"location": "https://evil.example/"})
    assert post().status == 307


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        {"side_effect": httpx.ConnectError("refused")},
        {"side_effect": httpx.ReadTimeout("slow")},
        {"return_value": httpx.Response(200, content=b"x" * (MAX_ANSWER + 1))},
        {"return_value": httpx.Response(200, headers={"content-encoding": "br"}, content=b"")},
    ],
    ids=["connect", "slow", "large", "encoded"],
)
def test_what_is_no_answer_is_said_so(answer):
    """Whatever went wrong, with the address and without details of the other side."""
    respx.post(URL).mock(**answer)
    with pytest.raises(NoAnswer, match=URL):
        post()


@respx.mock
def test_patience_ends():
    """Nobody keeps us for longer than we said."""

    async def never(_):
        await asyncio.Event().wait()

    respx.post(URL).mock(side_effect=never)
    with pytest.raises(NoAnswer, match="no answer within 0 s"):
        post(within=0.01)


@respx.mock
def test_without_its_secret_nothing_is_sent():
    """Not even without it."""
    route = respx.post(URL).respond(202)
    with pytest.raises(NoAnswer, match="the token cannot be read"):
        post("env:NOBODY_SET_THIS")
    assert not route.called


def test_a_bundle_that_is_none_is_an_error(tmp_path):
    """At the start, where a person sees it."""
    with pytest.raises(OSError, match=r".*"):
        Peer(URL, None, str(tmp_path / "missing.pem"), References())


def test_patience_grows_and_begins_anew():
    """Twice as long each time, up to a minute; told once; short again after a success."""
    patience = Patience()
    assert not patience.succeeded()
    assert [patience.failed() for _ in range(4)] == [(0.5, True), (1.0, False), (2.0, False), (4.0, False)]
    assert [patience.failed()[0] for _ in range(30)][-1] == 60.0
    assert patience.succeeded()
    assert patience.failed() == (0.5, True)
