"""Credential bindings: how the real secret of a service is obtained, and which requests get it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from proxy.facts.common import Fact, Id

type TokenType = Literal["access_token", "id_token", "jwt"]


def _is_absent(value: object) -> bool:
    """What is not used is not written down: approvals are bound to the whole binding as it is written."""
    return value is None


class Binding(Fact):
    """Which requests get a credential, and of which kind. An empty `methods` or `paths` matches nothing.

    A secret is written as a reference, `env:NAME` or `file:PATH`, never as itself. `SECRETS` names the fields that
    hold references, `ENDPOINTS` those that hold the URLs which credentials are obtained from.
    """

    SECRETS: ClassVar[tuple[str, ...]] = ()
    ENDPOINTS: ClassVar[tuple[str, ...]] = ()

    id: Id
    kind: str
    methods: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def references(self) -> dict[str, str]:
        """The references that this binding reads, by field; those that are left out are not among them."""
        return {field: value for field in self.SECRETS if (value := getattr(self, field)) is not None}

    @property
    def parameter(self) -> str | None:
        """The query parameter that the secret goes into, if it goes into one."""
        return None

    @property
    def reference(self) -> str:
        """All of them in one line, for the record."""
        return ", ".join(self.references.values())


class StaticBinding(Binding):
    """One secret in one header, in its place in the template `value`; or, with `query`, alone as that parameter."""

    SECRETS = ("secret",)

    kind: Literal["static"] = "static"
    secret: str
    header: str = "Authorization"
    value: str = "Bearer {secret}"
    query: str | None = Field(default=None, exclude_if=_is_absent)

    @property
    def parameter(self) -> str | None:
        """As it is written."""
        return self.query


class BasicBinding(Binding):
    """HTTP Basic (RFC 7617). `{secret}` stands in exactly one of `username` and `password`: some services take
    their key as the user name."""

    SECRETS = ("secret",)

    kind: Literal["basic"] = "basic"
    secret: str
    username: str
    password: str = "{secret}"  # noqa: S105 - the place of the secret, not one


class Obtained(Binding):
    """A credential that is obtained from an endpoint. `ca_bundle` says who may vouch for that, besides the system.

    An endpoint is `https://`. `unsafe_http_loopback` allows `http://` to this machine alone.
    """

    ca_bundle: str | None = None
    unsafe_http_loopback: bool = False


class OAuthClient(Obtained):
    """How we show an authorization server that we are its client.

    `secret` is the client secret, or, for `private_key_jwt` (RFC 7523), the private key as PEM: the assertion is
    for `assertion_audience`, or else for the token URL. `scope` is all that the token may have: one that comes with
    more is not used. With `revocation_url` (RFC 7009) tokens end with their task.
    """

    SECRETS: ClassVar[tuple[str, ...]] = ("secret",)
    ENDPOINTS: ClassVar[tuple[str, ...]] = ("token_url", "revocation_url")

    token_url: str
    revocation_url: str | None = None
    client_id: str
    client_auth: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = "client_secret_basic"
    secret: str
    key_id: str | None = None
    algorithm: Literal["ES256", "RS256", "PS256", "EdDSA"] = "ES256"
    assertion_audience: str | None = None
    scope: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()


class OAuthClientCredentialsBinding(OAuthClient):
    """An access token for ourselves (RFC 6749 section 4.4)."""

    kind: Literal["oauth_client_credentials"] = "oauth_client_credentials"


class TokenExchangeBinding(OAuthClient):
    """An access token on behalf of whoever stands at the root of the chain (RFC 8693).

    `subject_token` says who that is, `actor_token` who acts: `minted` by us for this call's chain, or a reference,
    in which `{principal}`, `{agent}` and `{task}` stand for those of the call. `scope` as for every OAuth client.
    """

    SECRETS = ("secret", "subject_token", "actor_token")

    kind: Literal["token_exchange"] = "token_exchange"
    subject_token: str = "minted"  # noqa: S105 - a word, not a token
    subject_token_type: TokenType = "jwt"  # noqa: S105 - the same
    actor_token: str | None = None
    actor_token_type: TokenType = "jwt"  # noqa: S105 - the same


class AwsSigV4Binding(Obtained):
    """Requests are signed anew with our keys (AWS Signature Version 4); whatever the agent signed with is dropped.

    With `role_arn` a session is assumed per delegation. It carries the chain: its root as source identity, agent and
    task as session name, all of it as session tags. `session_policy` (JSON) narrows it further. The role's trust
    policy must allow `sts:SetSourceIdentity` and `sts:TagSession`, or they are switched off here.
    """

    SECRETS = ("access_key_id", "secret_access_key", "session_token", "external_id")
    ENDPOINTS = ("sts_url",)

    kind: Literal["aws_sigv4"] = "aws_sigv4"
    region: str
    service: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    sts_url: str | None = None
    duration_seconds: int = 900
    session_policy: str | None = None
    source_identity: bool = True
    session_tags: bool = True


class GitHubAppBinding(Obtained):
    """An installation token of a GitHub App, for these repositories with these permissions and no others.

    `use: git` is for git over HTTPS, which takes the token as the password of `x-access-token`.
    """

    SECRETS = ("private_key",)
    ENDPOINTS = ("api_url",)

    kind: Literal["github_app"] = "github_app"
    app_id: str
    private_key: str
    installation_id: int
    repositories: tuple[str, ...]
    permissions: Mapping[str, Literal["read", "write", "admin"]]
    use: Literal["api", "git"] = "api"
    api_url: str = "https://api.github.com"


class VaultBinding(Obtained):
    """A secret of OpenBao or Vault: a dynamic one, whose lease ends with the task, or one that is stored.

    We show ourselves by `token`, or by `role_id` and `secret_id` (AppRole at `approle_mount`). `path` is read as it
    stands after `/v1/`; `field` is the dotted place of the secret in its `data` (`data.password` for KV version 2).
    With `username_field` both go out as HTTP Basic, with `query` the secret as that parameter, else as `value` in
    `header`. One without a lease is read again after `refresh_seconds`.
    """

    SECRETS = ("token", "role_id", "secret_id")
    ENDPOINTS = ("url",)

    kind: Literal["vault"] = "vault"
    url: str
    namespace: str | None = None
    token: str | None = None
    role_id: str | None = None
    secret_id: str | None = None
    approle_mount: str = "approle"
    path: str
    field: str
    username_field: str | None = None
    header: str = "Authorization"
    value: str = "Bearer {secret}"
    refresh_seconds: int = 60
    query: str | None = Field(default=None, exclude_if=_is_absent)

    @property
    def parameter(self) -> str | None:
        """As it is written."""
        return self.query


def _kind_of_binding(value: object) -> str:
    """The kind that is written, `static` where none is."""
    if isinstance(value, Mapping):
        return str(value.get("kind", "static"))
    return str(getattr(value, "kind", ""))


type AnyBinding = Annotated[
    Annotated[StaticBinding, Tag("static")]
    | Annotated[BasicBinding, Tag("basic")]
    | Annotated[OAuthClientCredentialsBinding, Tag("oauth_client_credentials")]
    | Annotated[TokenExchangeBinding, Tag("token_exchange")]
    | Annotated[AwsSigV4Binding, Tag("aws_sigv4")]
    | Annotated[GitHubAppBinding, Tag("github_app")]
    | Annotated[VaultBinding, Tag("vault")],
    Discriminator(_kind_of_binding),
]
