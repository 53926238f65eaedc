"""The settings of security events: every mistake is named where it stands."""

import pytest

from proxy.errors import ConfigurationError
from proxy.settings import load_settings
from proxy.settings.signals import set_profile
from tests.fakes.issuer import jwk, key_set

FROM = "signals:\n  transmitters:\n  - {issuer: 'https://idp.example', audience: us, jwks_url: 'https://idp.example/k'"
TO = "identity: {token_issuer: 'https://gov.example'}\nsignals:\n  receivers:\n  - {id: crm, audience: crm"


def load(folder, text):
    path = folder / "countersign.yaml"
    path.write_text(text)
    return load_settings(path)


def mistake(folder, monkeypatch, text):
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigurationError) as wrong:
        load(folder, text)
    (line,) = str(wrong.value).splitlines()
    return line.removeprefix("countersign.yaml:")


def test_nothing_is_heard_and_nobody_is_told_by_default(tmp_path):
    """Absent means neither."""
    signals = load(tmp_path, "").signals
    assert (signals.transmitters, signals.receivers) == ((), ())


def test_what_is_set_is_read(tmp_path):
    """Paths and references start at the file's folder; the profile takes tokens of its own type, and of RS256."""
    (tmp_path / "keys.json").write_bytes(key_set(jwk("RS256")))
    loaded = load(
        tmp_path,
        "identity: {token_issuer: 'https://gov.example'}\n"
        "signals:\n"
        "  transmitters:\n"
        "  - {issuer: 'https://idp.example', audience: us, jwks_file: keys.json, authorization: 'file:idp.token'}\n"
        "  - {issuer: 'https://other.example', audience: us, jwks_url: 'https://other.example/k', delivery: poll,\n"
        "     poll_url: 'https://other.example/poll', token: 'env:T', expected_heartbeat_seconds: 60}\n"
        "  receivers: [{id: crm, audience: crm, url: 'http://127.0.0.1:9/x'},\n"
        "    {id: erp, audience: e, authorization: 'file:e'}]\n",
    ).signals
    push, poll = loaded.transmitters
    assert push.authorization == f"file:{tmp_path}/idp.token"
    assert (poll.token, poll.expected_heartbeat_seconds) == ("env:T", 60)
    assert loaded.receivers[1].authorization == f"file:{tmp_path}/e"
    assert "task" not in loaded.receivers[0].kinds
    profile = set_profile(push)
    assert (profile.typ, profile.algorithms, profile.jwks_file) == ("secevent+jwt", ("RS256",), tmp_path / "keys.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{FROM}, algorithms: [none]}}\n", "algorithm `none` is not accepted"),
        (f"{FROM}, algorithms: [HS256]}}\n", "algorithm `HS256` is not accepted"),
        (f"{FROM.replace('https://idp.example/k', 'http://idp.example/k')}}}\n", "jwks_url must be https"),
        (f"{FROM}, jwks_file: k.json}}\n  receivers: []\n", "give exactly one of `jwks_file` and `jwks_url`"),
        (f"{FROM}, discovery: true}}\n", "has no effect beside `jwks_file` or `jwks_url`; keep one of them"),
        (f"{FROM}, delivery: poll}}\n", "has `delivery: poll`, and so needs `poll_url`"),
        (
            f"{FROM}, delivery: poll, poll_url: 'https://idp.example/p', authorization: 'env:A'}}\n",
            "is for `delivery: push`; give the token that we show as `token`",
        ),
        (f"{FROM}, delivery: poll, poll_url: 'http://idp.example/p'}}\n", "must be https: whoever is on the way"),
        (f"{FROM}, poll_url: 'https://idp.example/p'}}\n", "has no effect with `delivery: push`"),
        (f"{FROM}, token: 'env:A'}}\n", "has no effect with `delivery: push`"),
        (f"{FROM}, authorization: secret}}\n", "must be a reference, `env:NAME` or `file:PATH`"),
        (f"{FROM}, ca_bundle: missing.pem}}\n", "missing.pem"),
        (f"{FROM}, expected_heartbeat_seconds: 0}}\n", "1"),
        (f"{FROM}, unknown: 1}}\n", "unknown"),
        (f"{FROM}}}\n" + FROM.splitlines()[-1] + "}\n", "has the `issuer` of another; keep one"),
        (
            f"identity: {{token_issuer: 'https://idp.example/'}}\n{FROM}}}\n",
            "has our own identifier as `issuer`; we do not hear ourselves",
        ),
        (f"{TO.splitlines()[1]}\n" + "\n".join(TO.splitlines()[2:]) + ", url: 'https://c.example/x'}\n",
         "needs `identity.token_issuer`, the `iss` of our tokens"),
        (f"{TO}}}\n", "fetches, since it has no `url`, and so needs `authorization`"),
        (f"{TO}, url: 'http://c.example/x'}}\n", "must be https: whoever is on the way could read"),
        (f"{TO}, url: 'https://c.example/x'}}\n  - {{id: crm, audience: x, authorization: 'env:A'}}\n",
         "has the `id` of another; give each its own"),
        (f"{TO}, url: 'https://c.example/x', kinds: [handle]}}\n", "signals"),
        (f"{TO}, url: 'https://c.example/x', ca_bundle: missing.pem}}\n", "missing.pem"),
        (
            "identity:\n  issuers:\n  - {issuer: i, audience: a, typ: secevent+jwt, jwks_url: 'https://i.example/k'}\n",
            "`secevent+jwt` is that of events, which prove nobody; see `signals.transmitters`",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path, monkeypatch, text, said):
    """With its place, and what to do."""
    if "k.json" in text:
        (tmp_path / "k.json").write_bytes(key_set(jwk("RS256")))
    assert said in mistake(tmp_path, monkeypatch, text)
