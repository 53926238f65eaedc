"""Into which header or parameter a secret goes.

Odd places are in tests/proxy/credentials/test_broker.py and kinds/test_basic.py.
"""

import base64

import pytest

from proxy.credentials.placing import as_basic, as_bearer, in_header, in_place, in_query
from proxy.errors import Refused
from proxy.facts import StaticBinding
from proxy.stages import Request, Secret

BINDING = StaticBinding(id="key", secret="env:SECRET", methods=("GET",), paths=("/*",))
SECRET = Secret("env:SECRET", "s3cr3t-value")


def test_a_secret_stands_where_its_template_says() -> None:
    """In the header of this name, in lower case, with the rest of the value around it."""
    assert in_header(BINDING, SECRET, "X-Key", "k={secret};v=1").headers == (("x-key", "k=s3cr3t-value;v=1"),)
    assert as_bearer(BINDING, SECRET).headers == (("authorization", "Bearer s3cr3t-value"),)


def test_a_pair_is_looked_for_in_both_forms() -> None:
    """The secret itself, and the pair as it is sent."""
    injection = as_basic(BINDING, SECRET, "svc", "{secret}")
    encoded = base64.b64encode(b"svc:s3cr3t-value").decode()
    assert injection.headers == (("authorization", f"Basic {encoded}"),)
    assert [secret.value for secret in injection.secrets] == ["s3cr3t-value", encoded]


@pytest.mark.parametrize(("header", "value"), [("host", "{secret}"), ("proxy-x", "{secret}"), ("x-key", "none")])
def test_no_header_of_the_connection_takes_a_secret(header: str, value: str) -> None:
    """Nor does a value without a place for it."""
    with pytest.raises(Refused) as caught:
        in_header(BINDING, SECRET, header, value)
    assert caught.value.refusal.reason == "credential_unavailable"


def request(query: str = "") -> Request:
    """A request with this query."""
    return Request("GET", "https", "api.example", 443, "/v1", query, (), b"")


def test_a_secret_goes_where_its_binding_wants_it() -> None:
    """Into a parameter, encoded and in no header; else into its header."""
    by_key = BINDING.model_copy(update={"query": "key"})
    injection = in_place(by_key, SECRET, request("a=1"))
    assert (injection.headers, injection.query, injection.secrets) == ((), "key=s3cr3t-value", (SECRET,))
    assert in_place(BINDING, SECRET, request("key=own")).headers == (("authorization", "Bearer s3cr3t-value"),)


@pytest.mark.parametrize("name", ["", "a b", "a&b", "a=b", "k%65y", "key[]", "k\u00e9y", "a#b", "a\r\nb", "x" * 65])
def test_no_odd_parameter_takes_a_secret(name: str) -> None:
    """Not one whose name would have to be encoded, or could end the query."""
    with pytest.raises(Refused) as caught:
        in_query(BINDING, SECRET, name, request())
    assert caught.value.refusal.reason == "credential_unavailable"
    assert "s3cr3t" not in str(caught.value.refusal)
