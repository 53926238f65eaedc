"""What weakens the promises is said aloud."""

from pathlib import Path

import pytest

from proxy.settings import load_settings, unsafe


def sentences(folder: Path, text: str) -> list[str]:
    path = folder / "countersign.yaml"
    path.write_text(text)
    return unsafe(load_settings(path))


ISSUER = "identity: {issuers: [{issuer: https://idp.example, audience: us, jwks_url: https://idp.example/keys, more}]}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("listen: {proxy: 'localhost:1', gateway: '[::1]:2', control: 127.0.0.9:3}", []),
        ("listen: {gateway: }", []),
        ("control: {public_url: https://c.example}\ntelemetry: {otlp_endpoint: http://127.0.0.1:4318/v1/traces}", []),
        ("mode: observe", ["mode is `observe`: calls that policy would refuse or hold go through"]),
        ("listen: {proxy: 0.0.0.0:8080}",
         ["the proxy listens on 0.0.0.0:8080 without TLS: whoever sees that network can read handles and calls"]),
        ("listen: {gateway: 10.0.0.1:8081}",
         ["the gateway listens on 10.0.0.1:8081 without TLS: whoever sees that network can read handles and calls"]),
        ("listen: {control: '[2001:db8::1]:8082'}",
         [("the control API listens on [2001:db8::1]:8082 without TLS: people's sessions can be "
          "stolen on that network")]),
        ("control: {operator_may_sign: true}",
         ["the operator may vote and attest in the name of people (`control.operator_may_sign`)"]),
        ("control: {public_url: http://console.example}",
         ["`control.public_url` is plain http: people's sessions can be stolen on the way"]),
        (ISSUER.replace("more", "actors: [{client_id: app, agents: [bot]}]"), []),
        (ISSUER.replace("more", "unsafe_any_actor: true"),
         ["any agent that holds a token of a person of https://idp.example may act for them (`unsafe_any_actor`)"]),
        ("telemetry: {otlp_endpoint: http://otel.example:4318}",
         ["`telemetry.otlp_endpoint` is plain http: traces can be read on the way"]),
    ],
)  # fmt: skip
def test_each_unsafe_setting_has_its_sentence(tmp_path, text, expected):
    """The exact sentences for the start-up lines; none for what is safe."""
    assert sentences(tmp_path, text) == expected
