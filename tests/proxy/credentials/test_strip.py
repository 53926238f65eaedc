"""What an agent brings of its own never goes upstream."""

import pytest

from proxy.credentials.strip import agent_credentials, signed_query, without_agent_credentials
from proxy.stages import Injection

PLAIN = (("accept", "application/json"), ("content-type", "application/json"), ("x-request-id", "7"))


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Authorization", "proxy-authorization", "cookie", "x-api-key", "X_Api_Key", "x-goog-api-key",
        "private-token", "x-amz-security-token", "dpop", "txn-token", "workload-identity-token",
    ],
)  # fmt: skip
def test_credentials_are_stripped(name: str) -> None:
    """In any case and spelling, however often, also when nothing is injected."""
    headers = ((name, "agents-own"), *PLAIN, (name, "twice"))
    assert without_agent_credentials(headers, Injection()) == PLAIN
    assert agent_credentials(headers) == (name,)


def test_what_is_injected_replaces() -> None:
    """A header that the injection sets is taken out, in either spelling; its own value is not put in here."""
    injection = Injection((("x-crm-key", "s3cr3t-value-1"),))
    headers = (("x-crm-key", "a"), ("X_CRM_Key", "b"), *PLAIN)
    assert without_agent_credentials(headers, injection) == PLAIN


def test_the_rest_stays_as_it_is() -> None:
    """Order and repetition of ordinary headers are kept, and nothing is reported."""
    headers = (*PLAIN, *PLAIN)
    assert without_agent_credentials(headers, Injection()) == headers
    assert agent_credentials(headers) == ()


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("", False), ("a=1&signed=2", False), ("q=X-Amz-Signature", False),
        ("X-Amz-Signature=ab", True), ("a=1&x-amz-credential=AKIA", True), ("X-Amz-Algorithm", True),
        ("X%2DAmz-Signature=ab", True), ("AWSAccessKeyId=A&Signature=b&Expires=1", True), ("Signature=b", True),
        ("X-Amz-Security-Token=t", True),
    ],
)  # fmt: skip
def test_a_signature_in_the_query_is_seen(query: str, signed: bool) -> None:
    """By its parameters' names, however they are written; not by their values."""
    assert signed_query(query) is signed
