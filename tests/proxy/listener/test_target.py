"""Authorities and paths with one meaning."""

import contextlib
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.listener.target import read_authority, read_path

SEGMENT = st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text)


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("a.test", 443, ("a.test", 443)),
        ("A.Test:8443", 443, ("a.test", 8443)),
        ("127.0.0.1:80", None, ("127.0.0.1", 80)),
        ("[::1]:80", None, ("::1", 80)),
        ("[2001:db8::1]", 80, ("2001:db8::1", 80)),
        ("xn--bcher-kva.example", 443, ("xn--bcher-kva.example", 443)),
        ("under_score.test", 443, ("under_score.test", 443)),
        ("3com.test", 443, ("3com.test", 443)),
    ],
)
def test_one_host_in_one_way(text: str, default: int | None, expected: tuple[str, int]) -> None:
    """Ordinary names and literal addresses, with or without a port."""
    assert read_authority(text, default) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", ":80", "a.test:", "a.test:0", "a.test:080", "a.test:65536", "a.test:8o", "a..test", ".a.test", "a.test.",
        "-a.test", "a-.test", "u@a.test", "a.test@b", "a test", "a.test/x", "a.test#", "a.test?x", "127.1",
        "0177.0.0.1",        "0x7f.0.0.1", "2130706433", "a.0x7f", "1.2.3.4.5", "256.1.1.1",
        "[::1", "::1", "[::1]x", "[0::1]", "[::0001]",
        "[fe80::1%25eth0]", "[::FFFF:1.2.3.4]", "[1.2.3.4]", "b\u00fccher.test", "\uff41.test", "a" * 64 + ".test",
        ".".join(["a" * 60] * 5), "%61.test", "a.test,b.test", "a.test\\b",
    ],
)  # fmt: skip
def test_hosts_with_two_readings(text: str) -> None:
    """Spellings that some readers take for another host, or for none, are refused."""
    with pytest.raises(Refused):
        read_authority(text, 80)


def test_a_port_must_be_given_where_there_is_no_default() -> None:
    """CONNECT names its port."""
    with pytest.raises(Refused):
        read_authority("a.test", None)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", ("/", "")),
        ("/v1/orders/7", ("/v1/orders/7", "")),
        ("/v1/orders/", ("/v1/orders/", "")),
        ("/a?b=c&d=../%2e", ("/a", "b=c&d=../%2e")),
        ("/a?", ("/a", "")),
        ("/v1/models:predict", ("/v1/models:predict", "")),
        ("/.well-known/x", ("/.well-known/x", "")),
        ("/a.b..c/...", ("/a.b..c/...", "")),
        ("/M%C3%BCller%20Co", ("/M%C3%BCller%20Co", "")),
        ("/@scope/package", ("/@scope/package", "")),
        ("/@scope%2Fpackage", ("/@scope%2Fpackage", "")),
        ("/projects/a%2fb.c%2F..d/x", ("/projects/a%2fb.c%2F..d/x", "")),
    ],
)
def test_paths_with_one_meaning(target: str, expected: tuple[str, str]) -> None:
    """Ordinary paths pass as they are; queries are not looked into."""
    assert read_path(target) == expected


@pytest.mark.parametrize(
    "target",
    ["", "*", "a", "//", "//a", "/a//b", "/.", "/..", "/./a", "/../a", "/a/.", "/a/..", "/a/../b", "/a#b", "/a?b#c",
     "/a;b", "/a\\b", "/a b", "/%", "/%4", "/%zz", "/%00", "/%1F", "/%7f", "/%25", "/%3B", "/%5C", "/%41", "/%2e%2e/a",
     "/%2E", "/a%FF", "/%C3", "/%ED%A0%80", "/\u00fc"],
)  # fmt: skip
def test_paths_with_two_meanings(target: str) -> None:
    """What any server could read as another path is refused, not made one."""
    with pytest.raises(Refused) as caught:
        read_path(target)
    assert caught.value.refusal.reason == "path_ambiguous"


@given(st.lists(SEGMENT, min_size=1, max_size=4))
def test_every_accepted_path_survives_decoding(segments: list[str]) -> None:
    """What is accepted decodes to the same segments, whenever and however often a server decodes it."""
    target = "/" + "/".join(quote(segment, safe="") for segment in segments)
    try:
        path, _ = read_path(target)
    except Refused:
        return
    assert unquote(path) == "/" + "/".join(segments)
    assert unquote(unquote(path)) == unquote(path)
    assert not {".", ".."} & set(unquote(path).split("/"))
    assert "" not in unquote(path).split("/")[1:-1]


@pytest.mark.parametrize(
    "path",
    ["/%2F", "/%2Fa", "/a%2f", "/a%2F/b", "/a/%2Fb", "/a%2F%2fb", "/a%2F..%2Fb", "/a%2f..", "/..%2Fa", "/.%2Fa",
     "/a%2F.%2Fb", "/a/..%2F..", "/a%252Fb", "/a%2F%2e%2e%2Fb", "/a%2F..;%2Fb", "/a%2F%5C", "/a%EF%BC%8Fb",
     "/a%2F%E2%80%A5%2Fb"],
)  # fmt: skip
def test_an_encoded_slash_leads_nowhere_else(path: str) -> None:
    """Whenever a server decodes it, there is no dot segment and no empty one."""
    with pytest.raises(Refused) as caught:
        read_path(path)
    assert caught.value.refusal.reason == "path_ambiguous"


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """There is no third outcome."""
    for read in (read_path, lambda value: read_authority(value, 80)):
        with contextlib.suppress(Refused):
            read(text)
