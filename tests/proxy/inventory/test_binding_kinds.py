"""What each kind of binding needs, as people write it."""

import pytest

from proxy.errors import ConfigurationError
from proxy.facts import AwsSigV4Binding, GitHubAppBinding, StaticBinding, VaultBinding
from tests.fakes.inventories import SERVICES, load_inventory, write_inventory

KINDS = {
    "basic": "secret: env:A\nusername: svc",
    "oauth_client_credentials": (
        "token_url: https://idp.example/token\nclient_id: countersign\nsecret: env:A\nscope: [crm.read]\n"
        "client_auth: private_key_jwt\nkey_id: k1"
    ),
    "token_exchange": (
        "token_url: https://idp.example/token\nclient_id: countersign\nsecret: env:A\naudience: [crm]\n"
        "actor_token: 'file:/run/{agent}.jwt'"
    ),
    "aws_sigv4": (
        "region: eu-central-1\nservice: s3\naccess_key_id: env:A\nsecret_access_key: env:B\n"
        "role_arn: arn:aws:iam::123456789012:role/x\nsession_policy: '{}'"
    ),
    "github_app": (
        "app_id: '12'\nprivate_key: file:keys/app.pem\ninstallation_id: 7\nrepositories: [shop]\n"
        "permissions: {contents: read}"
    ),
    "vault": (
        "url: https://bao.example:8200\nrole_id: env:A\nsecret_id: env:B\npath: database/creds/ro\nfield: password\n"
        "username_field: username"
    ),
}


def services(kind: str, text: str) -> str:
    """The inventory's services with one binding of this kind."""
    head = SERVICES.partition("    bindings:\n")[0].replace("trust: internal", "trust: partner")
    own = f"kind: {kind}\n{text}\nmethods: [GET]\npaths: [/api/*]".replace("\n", "\n        ")
    return f"{head}    bindings:\n      - id: one\n        {own}\n"


def loaded(folder, kind, text):
    """The one binding of an inventory without mistakes."""
    inventory = load_inventory(write_inventory(folder, services=services(kind, text))).inventory
    (binding,) = inventory.services["crm"].bindings
    return binding


def mistakes(folder, monkeypatch, kind, old, new):
    """What is said about a binding in which this line is changed; without the place that they all share."""
    monkeypatch.chdir(folder)
    text = KINDS[kind]
    assert text.count(old) == 1
    with pytest.raises(ConfigurationError) as wrong:
        loaded(folder, kind, text.replace(old, new))
    lines = str(wrong.value).splitlines()
    assert all(line.startswith("services.yaml:") for line in lines)
    return [line.partition("services[crm].bindings[one].")[2] for line in lines]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_can_be_written(tmp_path, kind):
    """An example of each kind has no mistake, and is of its own model."""
    assert loaded(tmp_path, kind, KINDS[kind]).kind == kind


def test_a_binding_without_a_kind_is_static(tmp_path):
    """What was written before there were kinds means what it meant; the kind may be written out."""
    before = load_inventory(write_inventory(tmp_path)).inventory.services["crm"].bindings[0]
    assert isinstance(before, StaticBinding)
    assert loaded(tmp_path, "static", "secret: env:A").kind == "static"


def test_files_are_found_wherever_we_are_started(tmp_path):
    """References to files, and bundles of authorities, start at the inventory's own folder."""
    app = loaded(tmp_path, "github_app", KINDS["github_app"] + "\nca_bundle: ca.pem")
    assert isinstance(app, GitHubAppBinding)
    assert app.private_key == f"file:{tmp_path}/keys/app.pem"
    assert app.ca_bundle == f"{tmp_path}/ca.pem"


def test_what_is_left_out_has_a_safe_meaning(tmp_path):
    """Sessions are short and carry the chain; nothing goes over plain http."""
    aws = loaded(tmp_path, "aws_sigv4", KINDS["aws_sigv4"])
    assert isinstance(aws, AwsSigV4Binding)
    assert (aws.duration_seconds, aws.source_identity, aws.session_tags) == (900, True, True)
    vault = loaded(tmp_path, "vault", KINDS["vault"])
    assert isinstance(vault, VaultBinding)
    assert not vault.unsafe_http_loopback


REFERENCE = (
    "must be a reference, `env:NAME` or `file:PATH`, never the secret itself; "
    "if a real secret stood here, replace it at its source"
)
PLAIN = (
    "would send a secret in plain text; use `https://` "
    "(only a loopback host with `unsafe_http_loopback: true` may do without)"
)
BOTH = "is one way in, `role_id` with `secret_id` the other; give exactly one"


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"),
    [
        ("basic", "env:A", "hunter2-hunter2", f"secret: {REFERENCE}"),
        ("basic", "svc", "'a:b'", "username: must not hold `:`, which ends the name (RFC 7617)"),
        ("basic", "svc", "'{secret}'",
         "password: holds `{secret}` once, or else `username` does; not both, not neither"),
        ("basic", "svc", "svc\npassword: fixed",
         "password: holds `{secret}` once, or else `username` does; not both, not neither"),
        ("basic", "svc", "\u00fcser", "username: must be one line of ASCII text"),
        ("basic", "username: svc", "user: svc",
         "username: is missing; add it|user: is not a field here; did you mean `username`?"),
        ("oauth_client_credentials", "https://idp.example/token", "http://idp.example/token", f"token_url: {PLAIN}"),
        ("oauth_client_credentials", "https://idp.example/token", "http://127.0.0.1/token", f"token_url: {PLAIN}"),
        ("oauth_client_credentials", "https://idp.example/token",
         "http://idp.example/token\nunsafe_http_loopback: true", f"token_url: {PLAIN}"),
        ("oauth_client_credentials", "/token", "/token?x=1",
         "token_url: must not hold a query or fragment; end it after the path"),
        ("oauth_client_credentials", "key_id: k1", "revocation_url: http://idp.example", f"revocation_url: {PLAIN}"),
        ("oauth_client_credentials", "env:A", "s3cr3t-s3cr3t", f"secret: {REFERENCE}"),
        ("oauth_client_credentials", "private_key_jwt", "client_secret_post",
         "key_id: is for `client_auth: private_key_jwt` only; remove it"),
        ("oauth_client_credentials", "[crm.read]", "['a b']",
         "scope: must be a list of single words, such as `[crm.read, crm.write]`"),
        ("oauth_client_credentials", "key_id: k1", "resource: [crm]",
         "resource: must be a list of absolute URIs without fragment (RFC 8707)"),
        ("oauth_client_credentials", "private_key_jwt", "private_key", (
            "client_auth: `private_key` is not one of `client_secret_basic`, `client_secret_post`, `private_key_jwt`; "
            "did you mean `private_key_jwt`?")),
        ("token_exchange", "audience: [crm]", "audience: []",
         "scope: is empty, and so are `resource` and `audience`; say what the token may be used for"),
        ("token_exchange", "'file:/run/{agent}.jwt'", "mint", f"actor_token: {REFERENCE}"),
        ("token_exchange", "'file:/run/{agent}.jwt'", "'env:{agent}'", f"actor_token: {REFERENCE}"),
        ("aws_sigv4", "eu-central-1", "EU", (
            "region: must be as AWS writes it in a signature's scope, such as `eu-central-1` or `s3`")),
        ("aws_sigv4", "env:B", "wJalrXUtnFEMI", f"secret_access_key: {REFERENCE}"),
        ("aws_sigv4", "arn:aws:iam::123456789012:role/x", "admin",
         "role_arn: is not the ARN of a role: `arn:aws:iam::123456789012:role/NAME`"),
        ("aws_sigv4", "role_arn: arn:aws:iam::123456789012:role/x\n", "",
         "session_policy: is for an assumed role; add `role_arn`, or remove this"),
        ("aws_sigv4", "'{}'", "'[]'", "session_policy: must be a JSON object of at most 2048 characters, as text"),
        ("aws_sigv4", "'{}'", "'{}'\nduration_seconds: 43200", "duration_seconds: must be from 900 to 3600"),
        ("github_app", "[shop]", "[]", "repositories: must name at least one repository, each without its owner"),
        ("github_app", "[shop]", "[me/shop]",
         "repositories: must name at least one repository, each without its owner"),
        ("github_app", "{contents: read}", "{}",
         "permissions: must name at least one permission, such as `contents: read`"),
        ("github_app", "contents: read", "contents: all",
         "permissions.contents: `all` is not one of `read`, `write`, `admin`"),
        ("github_app", "installation_id: 7", "installation_id: 0",
         "installation_id: must be the number of the installation"),
        ("vault", "role_id: env:A\n", "", f"token: {BOTH}"),
        ("vault", "role_id: env:A\n", "role_id: env:A\ntoken: env:T\n", f"token: {BOTH}"),
        ("vault", "role_id: env:A\nsecret_id: env:B\n", "", f"token: {BOTH}"),
        ("vault", "database/creds/ro", "database/../sys",
         "path: must be a path as it stands after `/v1/`, such as `database/creds/readonly`"),
        ("vault", "field: password", "field: a..b",
         "field: must be the dotted place of the secret, such as `password` or `data.password`"),
        ("vault", "username_field: username", "header: Host",
         "header: must not be `Host`, which belongs to the connection"),
        ("vault", "username_field: username", "refresh_seconds: 0", "refresh_seconds: must be from 1 to 3600"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_field(tmp_path, monkeypatch, kind, old, new, expected):
    """What is wrong and what to do, at the line where it stands; no secret is repeated."""
    assert mistakes(tmp_path, monkeypatch, kind, old, new) == expected.split("|")


def test_a_kind_that_there_is_not_is_told_at_its_line(tmp_path, monkeypatch):
    """With the kinds that there are, and the nearest."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as wrong:
        loaded(tmp_path, "github", "secret: env:A")
    assert str(wrong.value) == (
        "services.yaml:12: services[crm].bindings[one].kind: `github` is not one of `static`, `basic`, "
        "`oauth_client_credentials`, `token_exchange`, `aws_sigv4`, `github_app`, `vault`; did you mean `github_app`?"
    )


ALONE = "does not go with `query`, where the secret stands alone; remove one of the two"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("query: key\nheader: X-Key", [f"header: {ALONE}"]),
        ("query: key\nvalue: '{secret}'", [f"value: {ALONE}"]),
        ("query: ''", ["query: must be the name of a query parameter, such as `key`: letters, digits and `-._~`"]),
        ("query: 'key[]'", ["query: must be the name of a query parameter, such as `key`: letters, digits and `-._~`"]),
    ],
)
def test_a_secret_has_one_place(tmp_path, monkeypatch, text, expected):
    """A header or a query parameter of a plain name, never both, and none of them silently."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as wrong:
        loaded(tmp_path, "static", f"secret: env:A\n{text}")
    said = [line.partition("services[crm].bindings[one].")[2] for line in str(wrong.value).splitlines()]
    assert said == expected


def test_a_pair_is_no_parameter(tmp_path, monkeypatch):
    """A user name and its password are one header."""
    found = mistakes(tmp_path, monkeypatch, "vault", "username_field: username", "username_field: u\nquery: key")
    assert found == ["query: does not go with `username_field`, whose pair is a header; remove one of the two"]


def test_a_secret_in_a_query_can_be_written(tmp_path):
    """Alone, for both kinds that have one; what does not use it is written down as it always was."""
    assert loaded(tmp_path, "static", "secret: env:A\nquery: api_key").parameter == "api_key"
    text = KINDS["vault"].replace("username_field: username", "query: key")
    assert loaded(tmp_path, "vault", text).parameter == "key"
    assert "query" not in loaded(tmp_path, "static", "secret: env:A").model_dump()
