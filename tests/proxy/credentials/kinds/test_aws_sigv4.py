"""AWS Signature Version 4: what the agent signed with is dropped, and the request is signed with our keys."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.credentials.kinds.aws_sigv4 import AwsSigV4
from proxy.credentials.strip import without_agent_credentials
from proxy.facts import AwsSigV4Binding
from proxy.stages import Headers, Injection, Request
from tests.conformance.credential_kind import (
    REQUEST,
    CredentialKindConformance,
    House,
    ObtainedKindConformance,
    means,
)
from tests.fakes.authorities import Seen
from tests.fakes.clouds import StsServer, signature_of
from tests.fakes.delegations import NOW, caller

SECRET = "our/secret+access/key"


def bound(**changes: Any) -> AwsSigV4Binding:
    """A binding with long-lived keys."""
    good: dict[str, Any] = {
        "id": "aws", "region": "eu-central-1", "service": "execute-api", "access_key_id": "env:KEY_ID",
        "secret_access_key": "env:SECRET", "methods": ("GET",), "paths": ("/*",),
    }  # fmt: skip
    return AwsSigV4Binding(**(good | changes))


def set_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our keys, and a session token that some tests use."""
    monkeypatch.setenv("KEY_ID", "AKIAOURS")
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setenv("SESSION", "our//session+token==")


def as_sent(request: Request, injection: Injection) -> Seen:
    """The request as it leaves: by the same rule that the pipeline strips by."""
    headers = dict((*without_agent_credentials(request.headers, injection), *injection.headers))
    return Seen(request.method, request.path, {"host": request.authority} | headers, request.body)


def signed(injection: Injection) -> set[str]:
    """The names of the headers that are signed."""
    value = dict(injection.headers)["authorization"]
    return set(value.partition("SignedHeaders=")[2].partition(",")[0].split(";"))


class TestKeys(CredentialKindConformance):
    """Long-lived keys."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[House]:
        """No server is needed."""
        given = means()
        yield House(AwsSigV4(given), bound(session_token="env:SESSION"), given, None, [SECRET])

    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Our keys."""
        set_keys(monkeypatch)

    def holds_a_secret(self, name: str) -> bool:
        """A signature is none: it fits one request only. The session token is sent as it is."""
        return name == "x-amz-security-token"

    def test_what_is_sent_is_what_was_signed(self, house: House) -> None:
        """A placeholder's signature, date, digest and token are replaced; other headers of AWS are signed."""
        agents: Headers = (
            ("host", "api.example"), ("authorization", "AWS4-HMAC-SHA256 Credential=countersign-placeholder/..."),
            ("x-amz-date", "20200101T000000Z"), ("x-amz-security-token", "placeholder"), ("content-type", "text/plain"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-target", "Table.Get"), ("x-amz-region-set", "*"),
            ("user-agent", "sdk"),
        )  # fmt: skip
        request = replace(REQUEST, method="POST", headers=agents, body=b"hello")
        injection = house.obtain(request=request)
        sent = as_sent(request, injection)
        assert sent.headers["authorization"].endswith(signature_of(sent, "/v1/things", SECRET))
        assert sent.headers["x-amz-security-token"] == "our//session+token=="
        assert sent.headers["x-amz-date"] == "20270115T080000Z"
        assert "placeholder" not in str(sent.headers)
        assert "x-amz-region-set" not in sent.headers
        assert signed(injection) == {
            "host", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-target",
        }  # fmt: skip

    def test_without_a_session_the_agents_token_goes_nowhere(self, house: House) -> None:
        """A binding without a session token sends none, whatever the agent brought."""
        house.binding = bound()
        request = replace(REQUEST, headers=(("x-amz-security-token", "the-agents"),))
        injection = house.obtain(request=request)
        assert "x-amz-security-token" not in as_sent(request, injection).headers
        assert "x-amz-security-token" not in signed(injection)
        assert [secret.value for secret in injection.secrets] == [SECRET]

    @pytest.mark.parametrize(
        "digest",
        ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
         "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "streaming-anything"],
    )  # fmt: skip
    def test_chunks_that_the_agent_signed_are_refused(self, house: House, digest: str) -> None:
        """Signatures inside of the body cannot be replaced without changing what was decided."""
        request = replace(REQUEST, headers=(("x-amz-content-sha256", digest),))
        assert house.refused(request=request) == "400 credential_unsignable"
        both = (("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), ("x-amz-content-sha256", digest))
        assert house.refused(request=replace(REQUEST, headers=both)) == "400 credential_unsignable"

    def test_unsigned_chunks_pass(self, house: House) -> None:
        """A body whose chunks only carry a checksum is signed as such."""
        digest = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
        injection = house.obtain(request=replace(REQUEST, headers=(("x-amz-content-sha256", digest),)))
        assert ("x-amz-content-sha256", digest) in injection.headers

    def test_a_plus_in_the_query_is_refused(self, house: House) -> None:
        """It means a space or a plus, depending on who reads it."""
        assert house.refused(request=replace(REQUEST, query="q=a+b")) == "400 request_ambiguous"
        assert house.obtain(request=replace(REQUEST, query="q=a%20b%2B")).headers


class TestAssumedRole(ObtainedKindConformance):
    """A session of a role for each delegation."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[House]:
        """A server that checks our signature."""
        given = means()
        with StsServer(SECRET) as server:
            binding = bound(
                role_arn="arn:aws:iam::123456789012:role/refunds", sts_url=server.url, unsafe_http_loopback=True
            )
            yield House(AwsSigV4(given), binding, given, server, [SECRET])

    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Our keys."""
        set_keys(monkeypatch)

    def holds_a_secret(self, name: str) -> bool:
        """As for long-lived keys."""
        return name == "x-amz-security-token"

    def server(self, house: House) -> StsServer:
        """The server."""
        assert isinstance(house.authority, StsServer)
        return house.authority

    def test_the_session_signs_and_says_for_whom(self, house: House) -> None:
        """The request is signed by the session's keys; the session carries root, agent, task, owner and chain."""
        injection = house.obtain()
        sent = as_sent(REQUEST, injection)
        assert sent.headers["authorization"].endswith(signature_of(sent, "/v1/things", "session+secret/1"))
        assert "Credential=ASIAEXAMPLE1/" in sent.headers["authorization"]
        assert sent.headers["x-amz-security-token"] == "session//token+1=="
        assert [secret.value for secret in injection.secrets] == ["session+secret/1", "session//token+1=="]
        (form,) = self.server(house).sessions
        assert form["SourceIdentity"] == "alice"
        assert form["RoleSessionName"] == "refund-bot@task_1"
        assert form["DurationSeconds"] == "900"
        tags = {form[f"Tags.member.{n}.Key"]: form[f"Tags.member.{n}.Value"] for n in range(1, 6)}
        assert tags == {
            "countersign:agent": "refund-bot", "countersign:owner": "olga", "countersign:principal": "alice",
            "countersign:task": "task_1", "countersign:chain": "human:alice/agent:refund-bot",
        }  # fmt: skip

    @pytest.mark.parametrize(
        "changed",
        [
            {"SourceIdentity": "mallory"}, {"Expiration": "soon"}, {"Expiration": "2020-01-01T00:00:00Z"},
            {"SecretAccessKey": "short"}, {"SessionToken": "x</SessionToken><SessionToken>second-token"},
            {"AccessKeyId": "&lt;AKIA&gt;EXAMPLE"},
        ],
    )  # fmt: skip
    def test_what_is_no_session_of_ours_is_not_used(self, house: House, changed: dict[str, str]) -> None:
        """Another source identity, an odd expiry, two tokens, text that is no key: 503."""
        self.server(house).changed = changed
        assert house.refused() == "503 credential_unavailable"

    def test_a_wrong_key_is_refused(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server checks what we signed, and says no."""
        monkeypatch.setenv("SECRET", "another/secret+key")
        assert house.refused(caller(), NOW) == "503 credential_unavailable"
