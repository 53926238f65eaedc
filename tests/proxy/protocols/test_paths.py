"""Which paths have one reading, and what their segments are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.protocols.paths import segments, split_at_slashes, with_slashes_encoded

READ = {
    "/": (),
    "/v1/orders/7": ("v1", "orders", "7"),
    "/v1/orders/": ("v1", "orders", ""),
    "/caf%C3%A9": ("caf\u00e9",),
    "/a%20b": ("a b",),
    "/~user/%7Euser": ("~user", "~user"),
    "/repos/o/r/compare/main...dev": ("repos", "o", "r", "compare", "main...dev"),
    "/files/a:b@c,d;v=1": ("files", "a:b@c,d;v=1"),
}


@pytest.mark.parametrize(("path", "expected"), READ.items())
def test_plain_paths_are_decoded_once(path: str, expected: tuple[str, ...]) -> None:
    """A path that every server reads alike gives its decoded segments."""
    assert segments(path) == expected


REFUSED = {
    "no slash": "v1",
    "double slash": "/v1//orders",
    "leading double slash": "//evil/x",
    "dot segment": "/v1/orders/../admin",
    "final dot segment": "/v1/orders/..",
    "single dot": "/v1/./orders",
    "dot segment with parameters": "/v1/..;x/admin",
    "encoded dots": "/v1/%2e%2e/admin",
    "half-encoded dots": "/v1/.%2E/admin",
    "encoded slash": "/v1/orders%2f7",
    "encoded backslash": "/v1/orders%5c7",
    "double encoding": "/v1/%252e%252e/admin",
    "encoded NUL": "/v1/orders%00",
    "encoded newline": "/v1/orders%0a",
    "encoded C1 control": "/v1/%C2%85",
    "encoded letter": "/v1/%61dmin",
    "encoded digit": "/v1/%31",
    "stray percent": "/v1/100%",
    "half percent": "/v1/%4",
    "raw backslash": "/v1\\admin",
    "raw space": "/v1/a b",
    "raw control": "/v1/a\tb",
    "raw non-ASCII": "/v1/caf\u00e9",
    "question mark": "/v1?x",
    "fragment": "/v1#x",
    "not UTF-8": "/v1/%FF",
    "over-long slash": "/v1/%C0%AF",
    "encoded surrogate": "/v1/%ED%A0%80",
    "empty": "",
}


@pytest.mark.parametrize("path", REFUSED.values(), ids=REFUSED.keys())
def test_paths_with_two_readings_are_refused(path: str) -> None:
    """A path that another server could split or decode differently is refused as ambiguous."""
    with pytest.raises(Refused) as caught:
        segments(path)
    assert (caught.value.refusal.reason, caught.value.refusal.status) == ("path_ambiguous", 400)


@given(st.text() | st.from_regex(r"(/[a-z%0-9.;]{0,6}){1,4}", fullmatch=True))
def test_any_text_gives_segments_or_a_refusal(path: str) -> None:
    """Whatever the path, no segment ever holds a slash, a percent sign, or is a dot segment."""
    try:
        found = segments(path)
    except Refused:
        return
    assert not any(set(segment) & set("/\\%\0") or segment in {".", ".."} for segment in found)


TAKEN = {
    "/projects/group%2Fname": ("projects", "group/name"),
    "/projects/group%2fname/": ("projects", "group/name", ""),
    "/@scope%2Fname/-/name.tgz": ("@scope/name", "-", "name.tgz"),
    "/a%2Fb%2Fc/d": ("a/b/c", "d"),
    "/plain/%C3%A9": ("plain", "\u00e9"),
}


@pytest.mark.parametrize(("path", "expected"), TAKEN.items())
def test_an_encoded_slash_stays_within_its_segment(path: str, expected: tuple[str, ...]) -> None:
    """Where it is taken, it is a part of one segment; nowhere else is such a path read at all."""
    assert segments(path, slashes=True) == expected
    if "%2" in path:
        with pytest.raises(Refused):
            segments(path)


@pytest.mark.parametrize(
    "path",
    ["/%2F", "/%2Fa", "/a%2F", "/a%2F/b", "/a%2F%2Fb", "/a%2F..%2Fb", "/..%2Fa", "/a%2f.", "/a%252Fb", "/a%2F%5Cb",
     "/a%2F..;x%2Fb", "/a%2F%2e%2e", "/a%2F%00"],
)  # fmt: skip
def test_an_encoded_slash_hides_no_other_path(path: str) -> None:
    """No dot segment, no empty one and no second encoding, even where encoded slashes are taken."""
    with pytest.raises(Refused) as caught:
        segments(path, slashes=True)
    assert caught.value.refusal.reason == "path_ambiguous"


@given(st.text() | st.from_regex(r"(/([a-z.;]|%2[Ff]|%2[eE]|%25){0,6}){1,4}", fullmatch=True))
def test_any_text_gives_segments_that_every_reader_can_split(path: str) -> None:
    """Whatever the path, decoding it early finds more segments, but no empty and no dot segment among them."""
    try:
        found = segments(path, slashes=True)
    except Refused:
        return
    assert not any(set(segment) & set("\\%\0") for segment in found)
    split = split_at_slashes(found)
    assert not {".", ".."} & set(split)
    assert "" not in split[:-1]
    assert "%" not in with_slashes_encoded(found).replace("%2F", "")
    if "/" not in "".join(found):
        assert segments(path) == found
