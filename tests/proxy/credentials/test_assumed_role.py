"""What a session says of its caller. The request itself is in tests/proxy/credentials/kinds/test_aws_sigv4.py."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import respx

from proxy.credentials.assumed_role import assume_role, session_name, session_tags, source_identity
from proxy.credentials.endpoints import Endpoints
from proxy.credentials.references import References
from proxy.credentials.sigv4 import Keys
from proxy.errors import Refused
from proxy.facts import AwsSigV4Binding
from proxy.stages import Chain, Principal
from tests.fakes.authorities import Seen
from tests.fakes.delegations import NOW, caller

KEYS = Keys("AKIAOURS", "our/secret+key")


def test_names_that_aws_does_not_take_become_digests() -> None:
    """One that is too short, too long or of other letters is never cut, since it could then be somebody else's."""
    assert source_identity(caller()) == "alice"
    assert session_name(caller()) == "refund-bot@task_1"
    foreign = replace(caller(), chain=Chain(Principal("human", "https://idp.example|alice")))
    for identity in (foreign, caller(principal="a")):
        assert source_identity(identity).startswith("sha256-")
        assert len(source_identity(identity)) <= 64
    names = {session_name(caller(task=f"task_{'a' * 60}{n}")) for n in range(2)}
    assert len(names) == 2
    assert all(len(name) <= 64 for name in names)
    assert dict(session_tags(foreign))["countersign:principal"].startswith("sha256-")
    assert dict(session_tags(caller()))["countersign:chain"] == "human:alice/agent:refund-bot"


def asked_of_sts(**changes: Any) -> dict[str, str]:
    """The form that STS is sent, by way of its own address in the region."""
    good: dict[str, Any] = {
        "id": "aws", "region": "eu-central-1", "service": "s3", "access_key_id": "env:A", "secret_access_key": "env:B",
        "role_arn": "arn:aws:iam::123456789012:role/r", "methods": ("GET",), "paths": ("/*",),
    }  # fmt: skip
    with respx.mock:
        route = respx.post("https://sts.eu-central-1.amazonaws.com/").respond(403)
        binding = AwsSigV4Binding(**(good | changes))
        with pytest.raises(Refused):
            asyncio.run(assume_role(binding, KEYS, caller(), NOW, by=Endpoints(), references=References()))
        return Seen("POST", "/", {}, route.calls.last.request.content).form


def test_what_is_switched_off_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Source identity and tags can be left out where a role does not allow them; policy and external id are added."""
    bare = asked_of_sts(source_identity=False, session_tags=False)
    assert sorted(bare) == ["Action", "DurationSeconds", "RoleArn", "RoleSessionName", "Version"]
    monkeypatch.setenv("EXTERNAL", "external-id-1")
    more = asked_of_sts(external_id="env:EXTERNAL", session_policy='{"Version":"2012-10-17"}', duration_seconds=3600)
    assert more["ExternalId"] == "external-id-1"
    assert more["Policy"] == '{"Version":"2012-10-17"}'
    assert more["DurationSeconds"] == "3600"
