"""Where key documents are read."""

import asyncio
import os
from pathlib import Path

import httpx
import pytest
import respx

from proxy.identity.origins import Fetched, FetchFailed, FileOrigin, UrlOrigin
from tests.fakes.issuer import jwk, key_set

URL = "https://idp.example/jwks"
ONE = key_set(jwk("ES256"))


def test_a_file_is_read_or_the_failure_is_told(tmp_path: Path) -> None:
    """The file's bytes, fresh for a second; a missing one is a failure that names it."""
    path = tmp_path / "jwks.json"
    with pytest.raises(FetchFailed, match="No such file"):
        asyncio.run(FileOrigin(path).fetch())
    path.write_bytes(ONE)
    assert asyncio.run(FileOrigin(path).fetch()) == Fetched(ONE, 1.0)


# --- over HTTP -----------------------------------------------------------------------------------


def fetch(response: httpx.Response | Exception, url: str = URL) -> Fetched:
    """What an origin makes of this answer."""
    with respx.mock(assert_all_called=False) as router:
        route = router.get(url)
        if isinstance(response, Exception):
            route.mock(side_effect=response)
        else:
            route.mock(return_value=response)
        fetched = asyncio.run(UrlOrigin(url, None).fetch())
        assert route.call_count == 1
        return fetched


@pytest.mark.parametrize(
    ("cache_control", "fresh_for"),
    [
        (None, 300.0),
        ("max-age=60", 60.0),
        ("public, max-age=120, must-revalidate", 120.0),
        ("max-age=86400", 300.0),
        ("max-age=0", 30.0),
        ("no-store", 30.0),
        ("No-Cache, max-age=100", 30.0),
        ("s-maxage=10", 300.0),
        ("max-age=-1", 300.0),
        ("max-age=999999999999999", 300.0),
    ],
)
def test_freshness_is_what_the_issuer_says_within_bounds(cache_control: str | None, fresh_for: float) -> None:
    """Never longer than 300 s, never so short that every call would fetch."""
    headers = {"cache-control": cache_control} if cache_control else {}
    assert fetch(httpx.Response(200, content=ONE, headers=headers)) == Fetched(ONE, fresh_for)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"location": "https://evil.example/jwks"}),
        httpx.Response(307, headers={"location": URL + "2"}),
        httpx.Response(304),
        httpx.Response(404),
        httpx.Response(500, content=ONE),
        httpx.Response(200, content=b" " * (256 * 1024 + 1)),
        httpx.Response(200, stream=httpx.ByteStream(ONE), headers={"content-encoding": "br"}),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("garbage"),
        OSError("no route"),
    ],
    ids=["302", "307", "304", "404", "500", "too much", "encoded", "refused", "slow", "garbage", "no route"],
)
def test_any_other_answer_is_a_failure(answer: httpx.Response | Exception) -> None:
    """Redirects are not followed, errors and too much are not read; the text names the configured URL."""
    with pytest.raises(FetchFailed, match=r"^https://idp\.example/jwks: "):
        fetch(answer)


def test_the_environments_proxy_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are fetched directly: the environment's proxy may be ourselves."""
    monkeypatch.setitem(os.environ, "HTTPS_PROXY", "http://127.0.0.1:9")
    assert fetch(httpx.Response(200, content=ONE)).body == ONE
