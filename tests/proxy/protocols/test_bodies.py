"""Which bodies can be judged, by their content type."""

import pytest

from proxy.errors import Refused
from proxy.protocols.bodies import MAX_BYTES, NOTHING, Body, read_body
from proxy.stages import Headers
from tests.fakes.wire_calls import request


def body(content: bytes, content_type: str | None, headers: Headers = ()) -> Body:
    return read_body(request("POST", "crm.example.com/x", content, content_type, headers))


READ: dict[str, tuple[bytes, str, Body]] = {
    "JSON": (b'{"a":1}', "application/json", Body("json", "application/json", {"a": 1})),
    "charset": (b"[]", "Application/JSON; Charset=UTF-8", Body("json", "application/json", [])),
    "quoted charset": (b"1", 'application/json;charset="utf-8"', Body("json", "application/json", 1)),
    "vendor JSON": (b"{}", "application/vnd.api+json; b=2; a=1", Body("json", "application/vnd.api+json;a=1;b=2", {})),
    "form": (
        b"a=1&b=%20",
        "application/x-www-form-urlencoded",
        Body("form", "application/x-www-form-urlencoded", pairs=(("a", "1"), ("b", " "))),
    ),
    "empty": (b"", "application/json", NOTHING),
    "empty of any type": (b"", "text/odd", NOTHING),
}


@pytest.mark.parametrize(("content", "content_type", "expected"), READ.values(), ids=READ.keys())
def test_known_types_are_read(content: bytes, content_type: str, expected: Body) -> None:
    """JSON and forms are read, and their type is normalised."""
    assert body(content, content_type) == expected


def test_no_body_is_nothing() -> None:
    """A request without body and type has no body."""
    assert body(b"", None) is NOTHING


REFUSED: dict[str, tuple[bytes, str | None, Headers, str, int]] = {
    "no type": (b"{}", None, (), "content_type_unknown", 415),
    "two types": (b"{}", "application/json", (("content-type", "text/plain"),), "content_type_unknown", 415),
    "text": (b"{}", "text/plain", (), "content_type_unknown", 415),
    "multipart": (b"x", "multipart/form-data; boundary=x", (), "content_type_unknown", 415),
    "binary": (b"x", "application/octet-stream", (), "content_type_unknown", 415),
    "JSON sequence": (b"{}\n{}", "application/x-ndjson", (), "content_type_unknown", 415),
    "two types in one": (b"{}", "application/json, text/plain", (), "content_type_unknown", 415),
    "UTF-16": (b"{}", "application/json; charset=utf-16", (), "content_type_unknown", 415),
    "two charsets": (b"{}", "application/json; charset=utf-8; charset=utf-7", (), "content_type_unknown", 415),
    "odd parameter": (b"{}", "application/json; =x", (), "content_type_unknown", 415),
    "empty type": (b"{}", "", (), "content_type_unknown", 415),
    "no subtype": (b"{}", "json", (), "content_type_unknown", 415),
    "gzip": (b"{}", "application/json", (("content-encoding", "gzip"),), "content_encoding_unknown", 415),
    "bad JSON": (b"{", "application/json", (), "body_invalid", 400),
    "duplicate key": (b'{"a":1,"a":2}', "application/json", (), "body_invalid", 400),
    "bad form": (b"a=1;b=2", "application/x-www-form-urlencoded", (), "body_invalid", 400),
    "form not ASCII": ("a=\u00e9".encode(), "application/x-www-form-urlencoded", (), "body_invalid", 400),
    "too large": (b" " * (MAX_BYTES + 1), "application/json", (), "body_too_large", 413),
}


@pytest.mark.parametrize(
    ("content", "content_type", "headers", "reason", "status"), REFUSED.values(), ids=REFUSED.keys()
)
def test_a_body_that_cannot_be_judged_is_refused(
    content: bytes, content_type: str | None, headers: Headers, reason: str, status: int
) -> None:
    """What is neither JSON nor a form, or has more than one reading, is refused with its reason."""
    with pytest.raises(Refused) as caught:
        body(content, content_type, headers)
    assert (caught.value.refusal.reason, caught.value.refusal.status) == (reason, status)
    assert caught.value.refusal.next_action == "fix_request"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (NOTHING, ()),
        (Body("form", pairs=(("a", "1"), ("b", "2"), ("a", "3"))), ("a", "b", "a")),
        (Body("json", value={"a": {"c": 1}, "b": 2}), ("a", "b")),
        (Body("json", value=["a"]), ()),
        (Body("json", value="a"), ()),
    ],
)
def test_the_fields_of_a_body_are_those_at_its_top(value: Body, names: tuple[str, ...]) -> None:
    """What lies deeper is part of a field, and a body that is no object has none."""
    assert value.names == names
