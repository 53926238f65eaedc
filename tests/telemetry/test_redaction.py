"""What a record says about arguments, and what it does not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.jcs import jcs
from telemetry.redaction import STRIPPED, TOO_DEEP, matches, redact

any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


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
    assert "ada@" not in json.dumps(redacted.args)


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


SECRETS = ("Bearer abcdefghijk", "AKIAABCDEFGHIJKLMNOP")
NAMES = st.sampled_from(["note", "token", "a", "b"])
spotted = st.recursive(
    st.sampled_from([*SECRETS, "plain", "although a token bearer came", 1, None]),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(NAMES, inner),
    max_leaves=60,
)


@given(st.dictionaries(NAMES, spotted))
def test_what_is_committed_to_is_what_a_second_look_leaves(arguments):
    """However many values are looked at together, the commitment leaves out what each alone is left out for."""
    redacted = redact(arguments)
    assert matches(redacted.commit, redacted.salt, arguments)
    assert any(line.endswith(":secret") for line in redacted.shape) == (STRIPPED in json.dumps(stripped(arguments)))


def stripped(value, depth=0):
    """The plain way to strip, a value at a time."""
    if isinstance(value, dict):
        return {key: STRIPPED if key == "token" else stripped(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [stripped(item, depth + 1) for item in value]
    return STRIPPED if value in SECRETS else value


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_many_alike_have_one_line_each_kind(count):
    """A list's items have a line for each path and type, however many they are, with the odd one among them."""
    rows = [{"id": number, "name": "x" * (number % 2), "rate": 0.5} for number in range(count)]
    deep = {"n": 1}
    for _ in range(20):
        deep = {"n": deep}
    odd = [{}, [], [True], {"id": None, "password": "x", "more": deep}]
    shape = redact({"rows": [*rows, *odd]}).shape
    kinds = ["id:integer", "id:null", "name:string(0)", "rate:number", "password:secret"]
    kinds += ["name:string(1)"] if count > 1 else []
    expected = {
        f"rows:array({count + 4})",
        "rows[]:object(0)",
        "rows[]:array(0)",
        "rows[]:array(1)",
        "rows[][]:boolean",
    }
    deeper = [line for line in shape if line.endswith(":deeper")]
    assert set(shape) == expected | {f"rows[].{kind}" for kind in kinds} | set(deeper)
    assert len(deeper) == 1
    assert len(shape) == len(set(shape))


def test_what_lies_too_deep_is_not_committed_to():
    """Nothing is committed to that was not searched for secrets, also in a long list."""
    rows = [{"n": number} for number in range(100)]
    place = rows
    for _ in range(14):
        place = [place]
    redacted = redact({"deep": place})
    cut = [TOO_DEEP] * 100
    for _ in range(14):
        cut = [cut]
    assert redacted.length == len(jcs({"deep": cut}))
    assert redacted.shape[-1].endswith(":deeper")
