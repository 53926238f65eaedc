"""The settings by which workloads prove themselves."""

from pathlib import Path

import pytest

from proxy.errors import ConfigurationError
from proxy.settings import cluster_settings, load_settings, trust_domain_settings
from proxy.settings import workloads as module

DOMAIN = "identity:\n  trust_domains:\n  - trust_domain: prod.example\n    audience: us\n"
CLUSTER = "identity:\n  kubernetes:\n  - issuer: https://k\n    audience: us\n"
ENDPOINT = DOMAIN + "    bundle_url: https://spire.example/bundle\n"


def write(folder: Path, text: str) -> Path:
    """A configuration file beside a bundle."""
    (folder / "bundle.json").write_text('{"keys": []}')
    (folder / "rubbish.json").write_text("{}")
    path = folder / "countersign.yaml"
    path.write_text(text)
    return path


def test_a_trust_domain_becomes_what_the_verifiers_take(tmp_path: Path) -> None:
    """Field for field, with paths that start at the file."""
    text = ENDPOINT + (
        "    bundle_profile: https_spiffe\n    endpoint_spiffe_id: spiffe://prod.example/host\n"
        "    bootstrap_file: bundle.json\n    max_lifetime_seconds: 60\n"
    )
    made = trust_domain_settings(load_settings(write(tmp_path, text)).identity.trust_domains[0])
    assert (made.trust_domain, made.audience, made.profile) == ("prod.example", "us", "https_spiffe")
    assert (made.bootstrap_file, made.max_lifetime_s) == (tmp_path / "bundle.json", 60)
    assert made.workload_api is None


@pytest.mark.parametrize(("said", "address"), [("true", ""), ("unix:///run/api.sock", "unix:///run/api.sock")])
def test_the_workload_api_is_that_of_the_environment_or_a_named_one(tmp_path: Path, said: str, address: str) -> None:
    """`true` says that the environment names it."""
    settings = load_settings(write(tmp_path, DOMAIN + f"    workload_api: {said}\n"))
    assert trust_domain_settings(settings.identity.trust_domains[0]).workload_api == address


def test_a_cluster_becomes_what_the_verifier_takes(tmp_path: Path) -> None:
    """Field for field; the token that we show is the pod's own unless it is said otherwise."""
    text = CLUSTER + "    review_url: https://kubernetes.default.svc/apis/authentication.k8s.io/v1/tokenreviews\n"
    made = cluster_settings(load_settings(write(tmp_path, text)).identity.kubernetes[0])
    assert (made.issuer, made.audience, made.algorithms) == ("https://k", "us", ("RS256",))
    assert made.token_file == Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DOMAIN, "3: identity.trust_domains[0]: give exactly one of `bundle_file`, `bundle_url` and"),
        (DOMAIN + "    bundle_file: none.json\n",
         "5: identity.trust_domains[0].bundle_file: `none.json` cannot be read: no such file"),
        (DOMAIN + "    bundle_file: rubbish.json\n",
         "5: identity.trust_domains[0].bundle_file: `rubbish.json` does not hold a SPIFFE bundle"),
        (DOMAIN.replace("prod.example", "spiffe://prod") + "    bundle_file: bundle.json\n",
         "3: identity.trust_domains[0]: a trust domain is 1 to 255 of"),
        (DOMAIN + "    workload_api: api.sock\n",
         "5: identity.trust_domains[0].workload_api: the Workload API is at `unix:///path` or"),
        (DOMAIN + "    workload_api: 7\n", "5: identity.trust_domains[0].workload_api"),
        (DOMAIN + "    workload_api: ''\n", "5: identity.trust_domains[0].workload_api"),
        (ENDPOINT, "3: identity.trust_domains[0]: a `bundle_url` needs its `bundle_profile`"),
        (ENDPOINT + "    bundle_profile: https_any\n", "6: identity.trust_domains[0].bundle_profile: "),
        (ENDPOINT + "    bundle_profile: https_web\n    ca_bundle: rubbish.json\n",
         "7: identity.trust_domains[0].ca_bundle: `rubbish.json` does not hold a PEM certificate"),
        (DOMAIN + "    bundle_file: bundle.json\n"
         "  - {trust_domain: prod.example, audience: x, bundle_file: bundle.json}\n",
         "6: identity.trust_domains[1]: has the `trust_domain` of another"),
        (CLUSTER, "3: identity.kubernetes[0]: give exactly one of `jwks_file`, `jwks_url` and `review_url`"),
        (CLUSTER + "    jwks_file: none.json\n", "5: identity.kubernetes[0].jwks_file: `none.json` cannot be read"),
        (CLUSTER + "    review_url: http://10.0.0.1/x\n", "3: identity.kubernetes[0]: review_url must be https"),
        (CLUSTER + "    jwks_file: bundle.json\n"
         "  issuers:\n  - {issuer: https://k, audience: x, jwks_file: bundle.json}\n",
         "3: identity.kubernetes[0]: has the `issuer` of another, or of one of `issuers`"),
        (CLUSTER + "    jwks_file: bundle.json\n  - {issuer: https://k, audience: x, jwks_file: bundle.json}\n",
         "6: identity.kubernetes[1]: has the `issuer` of another"),
        (DOMAIN + "    bundle_file: bundle.json\n"
         "  issuers:\n  - {issuer: 'spiffe://prod.example', audience: x, jwks_file: bundle.json}\n",
         "3: identity.trust_domains[0]: `spiffe://prod.example` is the `issuer` of other tokens too"),
        (DOMAIN + "    bundle_file: bundle.json\n"
         "  kubernetes:\n  - {issuer: 'spiffe://prod.example', audience: x, jwks_file: bundle.json}\n",
         "3: identity.trust_domains[0]: `spiffe://prod.example` is the `issuer` of other tokens too"),
        (CLUSTER.replace("https://k", "unix") + "    jwks_file: bundle.json\n",
         "3: identity.kubernetes[0]: `unix` stands for processes of this machine"),
        ("identity:\n  peer_seconds: 1\n", "2: identity.peer_seconds: must be at least 60"),
    ],
)  # fmt: skip
def test_every_mistake_is_located_and_worded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    """The line and the words that a person sees."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as wrong:
        load_settings(write(tmp_path, text))
    assert str(wrong.value.mistakes[0]).removeprefix("countersign.yaml:").startswith(expected)


def test_the_missing_extra_is_a_mistake_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before anything starts, with what to install."""
    monkeypatch.setattr(module, "available", lambda: False)
    with pytest.raises(ConfigurationError, match=r"install `countersign-proxy\[spiffe\]`"):
        load_settings(write(tmp_path, DOMAIN + "    workload_api: true\n"))
