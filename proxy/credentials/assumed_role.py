"""A session of an AWS role that says for whom, and through whom, its calls are made (STS `AssumeRole`)."""

import hashlib
import re
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode, urlsplit

from proxy.credentials.endpoints import EndpointReply, Endpoints
from proxy.credentials.interfaces import Held
from proxy.credentials.references import References, checked
from proxy.credentials.sigv4 import Keys, Scope, sign
from proxy.facts import AwsSigV4Binding
from proxy.stages import Identity, Request

_MEMBERS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
_MEMBER = re.compile(r"<(AccessKeyId|SecretAccessKey|SessionToken|Expiration|SourceIdentity)>([^<>&]+)</\1>")
_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
_TAG = re.compile(r"[A-Za-z0-9 _.:/=+@-]{0,256}")


async def assume_role(
    binding: AwsSigV4Binding, keys: Keys, identity: Identity, now: float, *, by: Endpoints, references: References
) -> Held[Keys]:
    """The keys of a new session. It cannot be ended from here; it is as short as the binding says."""
    url = binding.sts_url or f"https://sts.{binding.region}.amazonaws.com/"
    body = urlencode(_form(binding, identity, references)).encode("ascii")
    headers = (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),)
    parts = urlsplit(url)
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    port = parts.port or (443 if scheme == "https" else 80)
    request = Request("POST", scheme, parts.hostname or "", port, parts.path or "/", "", headers, body)
    signed = sign(request, keys, Scope(binding.region, "sts"), now)
    said = {**dict(headers), **dict(signed), "accept": "text/xml"}
    reply = await by.call(binding, "POST", url, said, body)
    return _session(binding, reply, identity, now)


def _form(binding: AwsSigV4Binding, identity: Identity, references: References) -> dict[str, str]:
    form = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": binding.role_arn or "",
        "RoleSessionName": session_name(identity),
        "DurationSeconds": str(binding.duration_seconds),
    }
    if binding.source_identity:
        form["SourceIdentity"] = source_identity(identity)
    if binding.session_policy is not None:
        form["Policy"] = binding.session_policy
    if binding.external_id is not None:
        form["ExternalId"] = references.read(binding.external_id).value
    if binding.session_tags:
        for index, (key, value) in enumerate(session_tags(identity), 1):
            form |= {f"Tags.member.{index}.Key": key, f"Tags.member.{index}.Value": value}
    return form


def source_identity(identity: Identity) -> str:
    """Who stands at the root of the chain. AWS keeps it through every further role, and in CloudTrail."""
    return _fit(identity.chain.root.id, _NAME)


def session_name(identity: Identity) -> str:
    """Agent and task."""
    return _fit(f"{identity.agent.id}@{identity.proven.task}", _NAME)


def session_tags(identity: Identity) -> list[tuple[str, str]]:
    """The chain, for policies on the AWS side."""
    chain = "/".join(identity.chain.names)
    tags = {
        "agent": identity.agent.id,
        "owner": identity.owner.id,
        "principal": identity.chain.root.id,
        "task": identity.proven.task,
        "chain": chain,
    }
    return [(f"countersign:{name}", _fit(value, _TAG)) for name, value in tags.items()]


def _fit(text: str, pattern: re.Pattern[str]) -> str:
    """The text, if AWS takes it there; else a digest of it, since a shortened one could be somebody else's."""
    return text if pattern.fullmatch(text) else "sha256-" + hashlib.sha256(text.encode()).hexdigest()[:48]


def _session(binding: AwsSigV4Binding, reply: EndpointReply, identity: Identity, now: float) -> Held[Keys]:
    if reply.status != 200:
        raise reply.unusable(f"status {reply.status}")
    found = _MEMBER.findall(reply.body.decode("utf-8", "replace"))
    members = dict(found)
    if len(found) != len(members) or any(name not in members for name in _MEMBERS):
        raise reply.unusable("not the keys of one session")
    if binding.source_identity and members.get("SourceIdentity", "") not in {"", source_identity(identity)}:
        raise reply.unusable("a session for another source identity")
    try:
        expires = datetime.fromisoformat(members["Expiration"]).timestamp()
    except ValueError:
        raise reply.unusable("an expiry that is no date") from None
    reference = f"{binding.role_arn} ({binding.id})"
    keys = Keys(
        checked(reference, members["AccessKeyId"]).value,
        checked(reference, members["SecretAccessKey"]).value,
        checked(reference, members["SessionToken"]).value,
    )
    return Held(keys, now, min(expires, now + binding.duration_seconds))
