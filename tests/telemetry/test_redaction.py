"""What a record says about arguments, and what it does not."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from telemetry.redaction import STRIPPED, jcs, matches, redact

any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(any_json)
def test_arguments_have_their_rfc_8785_form(value):
    """Any JSON, floats and all keys included, is written as an RFC 8785 library writes it."""
    assert jcs(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "number", [0.0, -0.0, 1e21, 1e-7, 123456789012345680000.0, 5e-324, 1.7976931348623157e308, 0.1]
)
def test_numbers_at_the_edges(number):
    """The numbers at which the ECMAScript form changes its shape."""
    assert jcs([number, -number]) == rfc8785.dumps([number, -number])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_without_a_form(number):
    """What is not a finite number cannot be committed to."""
    with pytest.raises(ValueError, match="not finite"):
        jcs({"a": number})


def test_shape():
    """The shape has names, types and lengths, and no value."""
    redacted = redact(
        {
            "amount": 4200,
            "customer": {"email": "ada@example.org", "vip": True},
            "items": [{"sku": "aaa"}, {"sku": "bbb"}],
            "rate": 0.5,
            "none": None,
            "empty": [],
            "nothing": {},
        }
    )
    assert redacted.shape == [
        "amount:integer",
        "customer.email:string(15)",
        "customer.vip:boolean",
        "items:array(2)",
        "items[].sku:string(3)",
        "rate:number",
        "none:null",
        "empty:array(0)",
        "nothing:object(0)",
    ]
    assert redacted.args["commit"].startswith("hmac-sha256:")
    assert "ada" not in json.dumps(redacted.args)


@given(st.dictionaries(st.text(), any_json, max_size=4))
def test_a_commitment_is_opened_by_salt_and_arguments(arguments):
    """With its salt the commitment shows these arguments and no others; each time it is another one."""
    first, second = redact(arguments), redact(arguments)
    assert first.commit != second.commit
    assert matches(first.commit, first.salt, arguments)
    assert not matches(first.commit, second.salt, arguments)
    assert not matches(first.commit, first.salt, {**arguments, "added": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "hunter2"),
        ("db_passwd", "x"),
        ("apiKey", "x"),
        ("api-key", "x"),
        ("client_secret", {"nested": "x"}),
        ("Authorization", "x"),
        ("refresh_token", ["x"]),
        ("cookie", "x"),
        ("note", "Bearer abcdefghijk"),
        ("note", "see ghp_abcdefghijklmnopqrstuvwxyz"),
        ("note", "AKIAABCDEFGHIJKLMNOP"),
        ("note", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.sig"),
        ("note", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_secrets_are_stripped_before_anything_is_committed(name, value):
    """What is named or looks like a secret is in neither shape nor commitment, at any depth."""
    redacted = redact({"deep": [{name: value}]})
    assert redacted.shape[-1] == f"deep[].{name}:secret"
    assert matches(
        redacted.commit, redacted.salt, {"deep": [{name: "another " + STRIPPED if name != "note" else value}]}
    )
    assert "secret" in redacted.shape[-1]
    assert redacted.length == len(jcs({"deep": [{name: STRIPPED}]}))


@pytest.mark.parametrize(("name", "value"), [("note", "although a token bearer came"), ("tokens_used_by", None)])
def test_ordinary_text_is_kept(name, value):
    """Text that only mentions such things is committed to; a name that might be a secret's is not."""
    redacted = redact({name: value})
    assert redacted.shape == ([f"note:string({len(value)})"] if value else ["tokens_used_by:secret"])


def test_the_shape_is_bounded():
    """However many, deep and long the names are, the shape stays small."""
    deep = {"a": 1}
    for _ in range(100):
        deep = {"n" * 100: deep}
    redacted = redact({f"argument{number}": number for number in range(500)} | {"deep": deep})
    assert len(redacted.shape) == 65
    assert redacted.shape[-1] == "… 437 more"
    only = redact({"deep": deep})
    assert len(only.shape) == 1
    assert only.shape[0].endswith("deeper")
    assert len(only.shape[0]) < 80


def test_level_zero():
    """At level 0 nothing of the arguments is kept."""
    assert redact({"a": 1}, 0).args == {"commit": "", "shape": [], "bytes": 0}
