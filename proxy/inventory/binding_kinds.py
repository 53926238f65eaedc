"""What each kind of binding needs beside its references: one rule a kind, each mistake as (field, what to do)."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from proxy.facts import (
    AwsSigV4Binding,
    BasicBinding,
    Binding,
    GitHubAppBinding,
    OAuthClient,
    OAuthClientCredentialsBinding,
    Obtained,
    StaticBinding,
    TokenExchangeBinding,
    VaultBinding,
)
from proxy.inventory.addresses import is_loopback, parse_url

type Wrong = Iterator[tuple[str, str]]

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VISIBLE = re.compile(r"[\x20-\x7e]+")
_WORD = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21\x24-\x7e]+")
_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}")
_VAULT_PATH = re.compile(r"[A-Za-z0-9_.~@+-]+(/[A-Za-z0-9_.~@+-]+)*")
_DOTTED = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_PERMISSION = re.compile(r"[a-z_]{1,64}")
_PARAMETER = re.compile(r"[A-Za-z0-9_.~-]{1,64}")
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-encoding", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"traceparent", "tracestate", "transfer-encoding", "upgrade"}
)
_MOST_POLICY = 2048


def wrong_kind(binding: Binding) -> Wrong:
    """Every mistake in the fields that only this kind of binding has."""
    if isinstance(binding, Obtained):
        yield from _endpoints(binding)
    yield from _RULES[type(binding)](binding)


def _static(binding: StaticBinding) -> Wrong:
    yield from _placed(binding)


def _placed(binding: StaticBinding | VaultBinding) -> Wrong:
    """In a header or in a query parameter, never in both: the one that counts would be a guess."""
    if binding.query is not None:
        if not _PARAMETER.fullmatch(binding.query):
            yield "query", "must be the name of a query parameter, such as `key`: letters, digits and `-._~`"
        for field in ("header", "value"):
            if field in binding.model_fields_set:
                yield field, "does not go with `query`, where the secret stands alone; remove one of the two"
        return
    if wrong := _wrong_header(binding.header):
        yield "header", wrong
    if "{secret}" not in binding.value or not _VISIBLE.fullmatch(binding.value):
        yield "value", "must be one line of ASCII text that holds `{secret}`"


def _wrong_header(header: str) -> str:
    name = header.lower()
    if not _HEADER.fullmatch(name):
        return "is not a header name"
    if name in _OF_THE_CONNECTION or name.startswith(("proxy-", "countersign-", "x-countersign-")):
        return f"must not be `{header}`, which belongs to the connection"
    return ""


def _basic(binding: BasicBinding) -> Wrong:
    pair = binding.username, binding.password
    if sum(text.count("{secret}") for text in pair) != 1:
        yield "password", "holds `{secret}` once, or else `username` does; not both, not neither"
    for field, text in zip(("username", "password"), pair, strict=True):
        if text and not _VISIBLE.fullmatch(text):
            yield field, "must be one line of ASCII text"
    if ":" in binding.username:
        yield "username", "must not hold `:`, which ends the name (RFC 7617)"


def _endpoints(binding: Obtained) -> Wrong:
    for field in binding.ENDPOINTS:
        url = getattr(binding, field)
        if url is None:
            continue
        try:
            place = parse_url(url)
        except ValueError as error:
            yield field, str(error)
            continue
        if place.scheme == "http" and not (binding.unsafe_http_loopback and is_loopback(place.host)):
            yield (
                field,
                (
                    "would send a secret in plain text; use `https://` "
                    "(only a loopback host with `unsafe_http_loopback: true` may do without)"
                ),
            )


def _oauth(binding: OAuthClient) -> Wrong:
    if not _VISIBLE.fullmatch(binding.client_id):
        yield "client_id", "must be one line of ASCII text"
    if binding.client_auth != "private_key_jwt":
        for field in ("key_id", "assertion_audience"):
            if getattr(binding, field) is not None:
                yield field, "is for `client_auth: private_key_jwt` only; remove it"
    if any(not _WORD.fullmatch(scope) for scope in binding.scope):
        yield "scope", "must be a list of single words, such as `[crm.read, crm.write]`"
    if any(not _URI.fullmatch(resource) for resource in binding.resource):
        yield "resource", "must be a list of absolute URIs without fragment (RFC 8707)"
    if any(not _VISIBLE.fullmatch(audience) for audience in binding.audience):
        yield "audience", "must be a list of names, each one line of ASCII text"


def _exchange(binding: TokenExchangeBinding) -> Wrong:
    yield from _oauth(binding)
    if not (binding.scope or binding.resource or binding.audience):
        yield "scope", "is empty, and so are `resource` and `audience`; say what the token may be used for"


def _aws(binding: AwsSigV4Binding) -> Wrong:
    for field in ("region", "service"):
        if not _REGION.fullmatch(getattr(binding, field)):
            yield field, "must be as AWS writes it in a signature's scope, such as `eu-central-1` or `s3`"
    if binding.role_arn is None:
        for field in ("external_id", "sts_url", "session_policy"):
            if getattr(binding, field) is not None:
                yield field, "is for an assumed role; add `role_arn`, or remove this"
    elif not _ROLE.fullmatch(binding.role_arn):
        yield "role_arn", "is not the ARN of a role: `arn:aws:iam::123456789012:role/NAME`"
    if not 900 <= binding.duration_seconds <= 3600:
        yield "duration_seconds", "must be from 900 to 3600"
    if binding.session_policy is not None and not _is_json_object(binding.session_policy):
        yield "session_policy", f"must be a JSON object of at most {_MOST_POLICY} characters, as text"


def _is_json_object(text: str) -> bool:
    try:
        return len(text) <= _MOST_POLICY and isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _github(binding: GitHubAppBinding) -> Wrong:
    if not _NAME.fullmatch(binding.app_id):
        yield "app_id", "must be the App's id or client id"
    if binding.installation_id < 1:
        yield "installation_id", "must be the number of the installation"
    if not binding.repositories or any(not _NAME.fullmatch(name) for name in binding.repositories):
        yield "repositories", "must name at least one repository, each without its owner"
    if not binding.permissions or any(not _PERMISSION.fullmatch(name) for name in binding.permissions):
        yield "permissions", "must name at least one permission, such as `contents: read`"


def _vault(binding: VaultBinding) -> Wrong:
    by_role = binding.role_id is not None and binding.secret_id is not None
    if (binding.token is None) is not by_role or (binding.role_id is None) is not (binding.secret_id is None):
        yield "token", "is one way in, `role_id` with `secret_id` the other; give exactly one"
    for field in ("path", "approle_mount"):
        text = getattr(binding, field)
        if not _VAULT_PATH.fullmatch(text) or any(set(part) == {"."} for part in text.split("/")):
            yield field, "must be a path as it stands after `/v1/`, such as `database/creds/readonly`"
    if binding.namespace is not None and not _VAULT_PATH.fullmatch(binding.namespace.removesuffix("/")):
        yield "namespace", "must be a path such as `team/app`"
    if not _DOTTED.fullmatch(binding.field):
        yield "field", "must be the dotted place of the secret, such as `password` or `data.password`"
    if binding.username_field is None:
        yield from _placed(binding)
    elif binding.query is not None:
        yield "query", "does not go with `username_field`, whose pair is a header; remove one of the two"
    elif not _DOTTED.fullmatch(binding.username_field):
        yield "username_field", "must be the dotted place of the user name"
    if not 1 <= binding.refresh_seconds <= 3600:
        yield "refresh_seconds", "must be from 1 to 3600"


_RULES: Mapping[type[Binding], Callable[[Any], Wrong]] = {
    StaticBinding: _static,
    BasicBinding: _basic,
    OAuthClientCredentialsBinding: _oauth,
    TokenExchangeBinding: _exchange,
    AwsSigV4Binding: _aws,
    GitHubAppBinding: _github,
    VaultBinding: _vault,
}
