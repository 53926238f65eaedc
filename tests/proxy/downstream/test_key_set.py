"""Where the verifying keys come from."""

import contextlib
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.downstream import key_set
from proxy.downstream.key_set import FRESH_SECONDS, INTERVAL_SECONDS, LAST_GOOD_SECONDS, KeySet, origin, read_keys
from proxy.downstream.profile import Rejected
from tests.fakes.accounts import NOW, signer
from tests.fakes.bundle_endpoint import BundleEndpoint
from tests.fakes.trust_domain import Plan, authority, certify
from tests.fakes.waiting import PATIENCE

REAL = time.time()  # what a certificate is judged by in a real handshake


class Source:
    """A JWK set that counts how often it was asked for, and can be broken."""

    def __init__(self, document: object) -> None:
        self.document = document
        self.asked = 0
        self.error: Exception | None = None

    def __call__(self) -> bytes:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return json.dumps(self.document).encode()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(signer(tmp_path).jwks(NOW))


def first(source: Source) -> str:
    return source.document["keys"][0]["kid"]


def reason(keys: KeySet, key_id: str, now: float) -> str:
    with pytest.raises(Rejected) as rejected:
        keys.find(key_id, now)
    return rejected.value.reason


def test_keys_are_asked_for_once_and_again_when_they_are_old(source: Source) -> None:
    """Between two reads nothing is fetched."""
    keys = KeySet(source)
    for at in (0.0, 1.0, FRESH_SECONDS - 1):
        assert keys.find(first(source), at).algorithm_name == "ES256"
    assert source.asked == 1
    keys.find(first(source), FRESH_SECONDS)
    assert source.asked == 2


def test_an_unknown_key_makes_us_look_again_but_not_often(source: Source) -> None:
    """Whoever invents key ids cannot make the service ask for keys all the time."""
    keys = KeySet(source)
    keys.find(first(source), 0.0)
    for at in range(1, 10):
        assert reason(keys, "invented", float(at)) == "key_unknown"
    assert source.asked == 1
    assert reason(keys, "invented", INTERVAL_SECONDS) == "key_unknown"
    assert source.asked == 2


def test_the_last_good_keys_count_for_an_hour(source: Source, caplog: pytest.LogCaptureFixture) -> None:
    """While the origin is away the service goes on; without keys that are fresh enough it refuses."""
    keys = KeySet(source)
    keys.find(first(source), 0.0)
    source.error = OSError("away")
    assert keys.find(first(source), LAST_GOOD_SECONDS)
    assert reason(keys, first(source), LAST_GOOD_SECONDS + 1) == "keys_unavailable"
    assert "the last good ones count" in caplog.text
    source.error = None
    assert keys.find(first(source), LAST_GOOD_SECONDS + 20)


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": [{}] * 33}])
def test_without_keys_nothing_verifies(document: object) -> None:
    """No JWK set, no keys; asked for again after a second."""
    source = Source(document)
    keys = KeySet(source)
    assert reason(keys, "k", 0.0) == "keys_unavailable"
    assert reason(keys, "k", 0.5) == "keys_unavailable"
    assert source.asked == 1
    assert reason(keys, "k", 1.0) == "keys_unavailable"
    assert source.asked == 2


def test_who_comes_while_keys_are_fetched_waits_for_them(source: Source) -> None:
    """The first requests after a start are not refused for coming together."""
    began, go = threading.Event(), threading.Event()

    def slow() -> bytes:
        began.set()
        assert go.wait(PATIENCE)
        return source()

    keys, found = KeySet(slow), []
    threads = [threading.Thread(target=lambda: found.append(keys.find(first(source), NOW))) for _ in range(4)]
    threads[0].start()
    assert began.wait(PATIENCE)
    for thread in threads[1:]:
        thread.start()
    assert keys.lacks(first(source), NOW)
    go.set()
    for thread in threads:
        thread.join()
    assert (len(found), source.asked) == (4, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA"},
        {"crv": "P-384"},
        {"use": "enc"},
        {"use": None},
        {"alg": "ES384"},
        {"alg": None},
        {"kid": 7},
        {"d": "AAAA"},
    ],
)
def test_only_plain_public_es256_keys_are_used(source: Source, change: dict) -> None:
    """Anything else in the set is left out, and verifies nothing."""
    entry = source.document["keys"][0] | change
    assert read_keys(json.dumps({"keys": [entry]}).encode()) == {}


def test_two_keys_of_one_name_are_none(source: Source) -> None:
    """It would be open which of them proves a token."""
    one, other = source.document["keys"]
    assert set(read_keys(json.dumps({"keys": [one, other | {"kid": one["kid"]}]}).encode())) == set()
    assert set(read_keys(json.dumps({"keys": [one, other]}).encode())) == {one["kid"], other["kid"]}


@pytest.mark.parametrize("change", [{"x": 7}, {"x": None}, {"x": "AAAA"}, {"y": "!"}])
def test_a_key_that_cannot_be_one_is_no_key_set(source: Source, change: dict) -> None:
    """The last good keys count then, as for any other document that is broken."""
    good = source.document["keys"]
    keys = KeySet(source)
    keys.find(first(source), 0.0)
    source.document = {"keys": [good[0] | change, *good[1:]]}
    with pytest.raises(ValueError, match="a key that is none"):
        read_keys(json.dumps(source.document).encode())
    assert keys.find(good[0]["kid"], FRESH_SECONDS).algorithm_name == "ES256"


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 60_000, b"\xff"])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    """With a `ValueError`, whatever it is."""
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words differ
        read_keys(raw)


@pytest.mark.parametrize(
    "url",
    [
        "", "keys.json", "file:///etc/passwd", "ftp://a/k", "http://keys.example/k", "https://u:p@a/k", "https:///k",
        "https://keys.example/k#x",
    ],
)  # fmt: skip
def test_keys_come_over_tls_or_from_this_machine(url: str) -> None:
    """Plain http is for loopback alone: else whoever is on the way could give their own keys."""
    with pytest.raises(ValueError, match="`"):
        origin(url)
    assert origin("https://keys.example/k")
    assert origin("http://127.0.0.1:1/k")


def test_over_tls_the_place_must_show_itself(tmp_path: Path) -> None:
    """By the authorities that were named, or by those of the machine: whoever else answers gives no keys."""
    root = certify(authority(name="keys"), "keys-root", at=REAL)
    (tmp_path / "root.pem").write_bytes(root.pem)
    with BundleEndpoint(tmp_path, certify(Plan(uris=(), dns=("localhost",)), "keys", root, REAL)) as endpoint:
        endpoint.document = b'{"keys":[]}'
        assert origin(endpoint.url, str(tmp_path / "root.pem"))() == b'{"keys":[]}'
        with pytest.raises(ssl.SSLCertVerificationError):
            origin(endpoint.url)()
        with pytest.raises(ssl.SSLCertVerificationError):
            origin(endpoint.url.replace("localhost", "127.0.0.1"), str(tmp_path / "root.pem"))()
        assert len(endpoint.seen) == 1


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "/keys?a=1")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        body = b"x" * 100_000 if self.path == "/large" else b'{"keys":[]}'
        self.send_response(200 if self.path != "/missing" else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    made = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_one_place_is_asked_and_no_other(server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect is not followed, an environment's proxy not used, and the answer is bounded."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    base = f"http://127.0.0.1:{server.server_address[1]}"
    assert origin(f"{base}/keys?a=1")() == b'{"keys":[]}'
    for path, words in (("/moved", "status 302"), ("/missing", "status 404"), ("/large", "too much")):
        with pytest.raises(ValueError, match=words):
            origin(base + path)()
    assert server.asked == ["/keys?a=1", "/moved", "/missing", "/large"]


def test_a_slow_answer_is_given_up(server, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it trickles in."""
    monkeypatch.setattr(key_set, "FETCH_SECONDS", 1e-9)
    with pytest.raises((ValueError, OSError)):
        origin(f"http://127.0.0.1:{server.server_address[1]}/keys")()
