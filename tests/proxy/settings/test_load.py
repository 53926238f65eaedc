"""The configuration file into settings."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.model import Mode
from proxy.errors import ConfigurationError
from proxy.settings import Address, Settings, directories, issuer_settings, load_settings
from tests.fakes.client_certificates import issue

ISSUER = "identity:\n  issuers:\n  - issuer: https://issuer.example\n    audience: countersign\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "countersign.yaml"
    path.write_text(text)
    return path


def mistakes_of(folder: Path, monkeypatch, text: str) -> list[str]:
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigurationError) as wrong:
        load_settings(write(folder, text))
    return [line.removeprefix("countersign.yaml:") for line in str(wrong.value).splitlines()]


def test_an_empty_file_is_the_defaults_beside_it(tmp_path):
    """Paths that are not set lie beside the file, wherever one stands."""
    loaded = load_settings(write(tmp_path, ""))
    assert (loaded.state, loaded.inventory, loaded.policies) == (
        tmp_path / "state",
        tmp_path / "inventory",
        tmp_path / "policies",
    )
    assert loaded.listen == Settings().listen


def test_what_is_set_is_read(tmp_path):
    """Each kind of setting arrives as its own type, and every path becomes absolute."""
    (tmp_path / "keys.json").write_text('{"keys": []}')
    text = ISSUER + (
        "    jwks_file: keys.json\n"
        "version: 1\nmode: observe\nstate: ../elsewhere\nlisten: {proxy: '[::1]:0', gateway: null}\n"
        "telemetry:\n  otlp_endpoint: https://otel.example/v1/traces\n  headers: {a: env:TOKEN, b: file:token}\n"
    )
    loaded = load_settings(write(tmp_path, text))
    assert loaded.mode is Mode.OBSERVE
    assert loaded.state == tmp_path.parent / "elsewhere"
    assert loaded.listen.proxy == Address("::1", 0)
    assert loaded.listen.gateway is None
    assert loaded.identity.issuers[0].jwks_file == tmp_path / "keys.json"
    assert loaded.telemetry.headers == {"a": "env:TOKEN", "b": f"file:{tmp_path}/token"}


def test_an_issuer_becomes_a_verifiers_profile(tmp_path):
    """What is configured is what the verifier gets, field for field."""
    more = "jwks_url: https://issuer.example/keys\ntyp: jwt\nmax_lifetime_seconds: 60\nleeway_seconds: 5\n"
    text = ISSUER + "".join(f"    {line}\n" for line in more.splitlines())
    profile = issuer_settings(load_settings(write(tmp_path, text)).identity.issuers[0])
    assert (profile.issuer, profile.audience) == ("https://issuer.example", "countersign")
    assert (profile.typ, profile.max_lifetime_s, profile.leeway_s) == ("jwt", 60, 5)
    assert (profile.jwks_url, profile.jwks_file) == ("https://issuer.example/keys", None)
    assert profile.algorithms == ("ES256",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mod: enforce", ["1: mod: is not a field here; did you mean `mode`?"]),
        ("mode: off", ["1: mode: `off` is not one of `enforce`, `observe`"]),
        ("mode: observ", ["1: mode: `observ` is not one of `enforce`, `observe`; did you mean `observe`?"]),
        ("version: 2", ["1: version: must be one of `1`"]),
        ("listen:\n  proxy: 8080", ["2: listen.proxy: must be a host, or `host:port`; put IPv6 addresses in brackets"]),
        ("listen:\n  proxy: 127.0.0.1",
         ["2: listen.proxy: must be `host:port`, for example 127.0.0.1:8080 or [::1]:8080"]),
        ("listen:\n  proxy: 127.0.0.1:99999", ["2: listen.proxy: has port 99999; the highest is 65535"]),
        ("listen:\n  control: 127.0.0.1:8080",
         ["2: listen.control: has the port of `proxy`, 8080; give each its own"]),
        ("listen:\n  control:", ["2: listen.control: must be a host, or `host:port`; put IPv6 addresses in brackets"]),
        ("listen:\n  proxy_tls: 127.0.0.1:8081",
         ["2: listen.proxy_tls: has the port of `gateway`, 8081; give each its own"]),
        ("listen:\n  tls_names: [a b]", ["2: listen.tls_names[0]: has the host `a b`, which is not a host name"]),
        ("listen:\n  tls_names: []", ["2: listen.tls_names: must hold at least one name or address"]),
        ("listen:\n  proxy_tls: 127.0.0.1:1\n  key_file: x.key",
         ["1: listen.certificate_file: is missing, and `key_file` is of no use without it"]),
        ("listen:\n  proxy_tls: 127.0.0.1:1\n  certificate_file: x.pem",
         ["1: listen.key_file: is missing, and `certificate_file` is of no use without it"]),
        ("listen:\n  certificate_file: x.pem\n  key_file: x.key",
         ["2: listen.certificate_file: `",
          "2: listen.certificate_file: has no effect without `proxy_tls` or `gateway_tls`"]),
        (f"listen:\n  local: /{'x' * 100}",
         ["2: listen.local: is too long a path for a UNIX socket; use a shorter one"]),
        ("state:", ["1: state: is empty; write a value, or remove the line"]),
        ("state: 3", ["1: state: must be text; put the value in quotes"]),
        ("limits:\n  body_bytes: 1", ["2: limits.body_bytes: must be at least 1024"]),
        ("limits:\n  body_bytes: 1MiB", ["2: limits.body_bytes: must be a whole number"]),
        ("holds:\n  inline_wait_seconds: 51", ["2: holds.inline_wait_seconds: must be at most 50"]),
        ("holds:\n  longest_inline_wait_seconds: 2",
         ["1: holds.inline_wait_seconds: must be at most `longest_inline_wait_seconds`, 2"]),
        ("audit:\n  origin: a b",
         ["2: audit.origin: must be 1 to 200 letters, digits or `. _ ~ / -`, such as gov.example.com/audit"]),
        ("trusted_roots: roots.pem", ["1: trusted_roots: `roots.pem` cannot be read: no such file or directory"]),
        ("trusted_roots: countersign.yaml", ["1: trusted_roots: `countersign.yaml` does not hold a PEM certificate"]),
        ("control:\n  public_url: https://a:b@x",
         ["2: control.public_url: must not hold a user name or password; give the credential as a binding"]),
        ("telemetry:\n  otlp_endpoint: https://x\n  headers:\n    authorization: Bearer abc",
         ["4: telemetry.headers.authorization: must be a reference, `env:NAME` or `file:PATH`, never the secret"]),
        ("telemetry:\n  otlp_endpoint: http://otel.example\n  headers: {a: env:T}",
         ["3: telemetry.headers: would send secrets in plain text, since `otlp_endpoint` is `http://`; use `https://`"]),
        ("telemetry:\n  headers: {a: env:T}", ["2: telemetry.headers: has no effect without `otlp_endpoint`"]),
        (ISSUER, ["3: identity.issuers[0]: give exactly one of `jwks_file` and `jwks_url`"]),
        (ISSUER + "    jwks_url: http://issuer.example/keys\n",
         ["3: identity.issuers[0]: jwks_url must be https, since whoever can change it can become any agent"]),
        (ISSUER + "    jwks_file: none.json\n",
         ["5: identity.issuers[0].jwks_file: `none.json` cannot be read: no such file or directory"]),
        (ISSUER + "    jwks_file: countersign.yaml\n",
         ["5: identity.issuers[0].jwks_file: `countersign.yaml` does not hold a JWK set"]),
        (ISSUER + "    jwks_url: https://issuer.example/keys\n    algorithms: [HS256]\n",
         ["3: identity.issuers[0]: algorithm `HS256` is not accepted: use one of"]),
        (ISSUER + "    jwks_url: https://a/b\n  - {issuer: https://issuer.example, audience: x, jwks_url: https://a/b}\n",
         ["6: identity.issuers[1]: has the `issuer` and `typ` of another; keep one"]),
        ("mode: x\nstate: 1\nlimits: {header_count: 1}\nfoo: 1\nfoo: 2\n",
         ["5: `foo` is here twice, first on line 4; keep one",
          "1: mode: `x` is not one of `enforce`, `observe`",
          "2: state: must be text; put the value in quotes",
          "3: limits.header_count: must be at least 10",
          ("4: foo: is not a field here; known are `version`, `mode`, `state`, `history_days`, `inventory`, "
          "`policies`, `trusted_roots`, `listen`, `control`, `inventory_sources`, `identity`, `ownership`, `limits`, "
           "`holds`, `audit`, `downstream`, `signals`, `telemetry`")]),
        ("control: {scim_token: secret}",
         ["1: control.scim_token: must be a reference, `env:NAME` or `file:PATH`, never the secret itself"]),
        ("inventory_sources:\n  - {id: a}\n  - {id: a}",
         ["3: inventory_sources[a].id: is the name of another source; give each its own"]),
        ('inventory_sources:\n  - {id: a, file: x, url: "https://x"}',
         ["2: inventory_sources[a]: has a `file` and a `url`; give one of them"]),
        ("inventory_sources:\n  - {id: a, token: env:T}",
         ["2: inventory_sources[a].token: has no effect without `url`"]),
        ('inventory_sources:\n  - {id: a, url: "http://x.example/"}',
         ["2: inventory_sources[a].url: would let anyone on the way write the inventory; use `https://`"]),
        ("inventory_sources:\n  - {id: a, sections: []}",
         ["2: inventory_sources[a].sections: is empty, so the source may say nothing; name at least one"]),
        ("inventory_sources:\n  - {id: A b}", ["2: inventory_sources[A b].id: "]),
        ("ownership: {when_owner_leaves: ignore}",
         ["1: ownership.when_owner_leaves: `ignore` is not one of `refuse`, `deputy`"]),
        ("ownership: {privileged: {handle_seconds: 0}}",
         ["1: ownership.privileged.handle_seconds: must be at least 60"]),
    ],
)  # fmt: skip
def test_every_mistake_is_located_and_worded(tmp_path, monkeypatch, text, expected):
    """The exact lines that a person sees."""
    found = mistakes_of(tmp_path, monkeypatch, text)
    assert [line[: len(wanted)] for line, wanted in zip(found, expected, strict=True)] == expected


def test_a_missing_file_says_so(tmp_path, monkeypatch):
    """No configuration is a mistake of a person, not a traceback."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"^none\.yaml: cannot be read: no such file or directory$"):
        load_settings(tmp_path / "none.yaml")


def test_directories_are_found_in_a_file_with_mistakes(tmp_path):
    """Where the inventory and the policies lie is known even if the rest of the file is wrong."""
    assert directories(write(tmp_path, "inventory: people\npolicies: 7\nfoo: 1\n")) == (
        tmp_path / "people",
        tmp_path / "policies",
    )
    assert directories(tmp_path / "none.yaml") == (tmp_path / "inventory", tmp_path / "policies")


_TEXT = st.text("abcdefghilmnoprstuvxy:_ \n-[]{}'\"0123456789./&*!\x00\u202e", max_size=80)


@settings(max_examples=200, deadline=None)
@given(
    raw=st.binary(max_size=60) | _TEXT.map(str.encode) | _TEXT.map(lambda text: f"listen: {{proxy: '{text}'}}".encode())
)
def test_any_file_is_settings_or_a_configuration_error(raw, tmp_path_factory):
    """Whatever the bytes: settings, or at least one mistake."""
    path = tmp_path_factory.getbasetemp() / "any-settings.yaml"
    path.write_bytes(raw)
    try:
        outcome = [load_settings(path)]
    except ConfigurationError as wrong:
        outcome = list(wrong.mistakes)
    assert outcome


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trust_domain: Prod", "2: downstream.trust_domain: must be 1 to 64 of a-z"),
        ("lifetime_seconds: 121", "2: downstream.lifetime_seconds: "),
        ("trust_domian: prod", "2: downstream.trust_domian: "),
    ],
)
def test_what_internal_services_are_told_is_checked(tmp_path, monkeypatch, text, expected):
    """A trust domain is a plain name, a token lives for two minutes at most, and a misspelt setting is a mistake."""
    (mistake,) = mistakes_of(tmp_path, monkeypatch, f"downstream:\n  {text}\n")
    assert mistake.startswith(expected)


def test_internal_services_are_told_nothing_by_default(tmp_path):
    """The feature is off until a trust domain is named."""
    assert load_settings(write(tmp_path, "")).downstream.trust_domain is None
    assert load_settings(write(tmp_path, "downstream: {trust_domain: prod.example}")).downstream.lifetime_seconds == 60


def test_a_certificate_and_its_key(tmp_path, monkeypatch):
    """Files that fit are taken, wherever the configuration lies; a key of another certificate is a mistake."""
    issued, other = issue(), issue()
    (tmp_path / "tls.pem").write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "tls.key").write_bytes(issued.key_pem())
    text = "listen: {proxy_tls: '0.0.0.0:8443', certificate_file: tls.pem, key_file: tls.key, local: run/p.sock}"
    listen = load_settings(write(tmp_path, text)).listen
    assert (listen.certificate_file, listen.key_file) == (tmp_path / "tls.pem", tmp_path / "tls.key")
    assert listen.local == tmp_path / "run" / "p.sock"
    (tmp_path / "tls.key").write_bytes(other.key_pem())
    (line,) = mistakes_of(tmp_path, monkeypatch, text)
    assert line.startswith("1: listen.certificate_file: `")
    assert "is not the key of the first certificate in" in line


def test_references_start_at_the_folder_of_the_file(tmp_path):
    """A secret's file beside the configuration is found wherever we are started; variables stay as they are."""
    text = 'control: {scim_token: "file:scim.token"}\ninventory_sources:\n'
    text += '  - {id: a, url: "https://x", token: env:T}\n  - {id: b, url: "https://x", token: "file:t"}\n'
    settings = load_settings(write(tmp_path, text))
    assert settings.control.scim_token == f"file:{tmp_path}/scim.token"
    assert [source.token for source in settings.inventory_sources] == ["env:T", f"file:{tmp_path}/t"]
