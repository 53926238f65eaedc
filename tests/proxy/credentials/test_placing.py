"""Into which header a secret goes. Odd places are in tests/proxy/credentials/test_broker.py and kinds/test_basic.py."""

import base64

import pytest

from proxy.credentials.placing import as_basic, as_bearer, in_header
from proxy.errors import Refused
from proxy.facts import StaticBinding
from proxy.stages import Secret

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
