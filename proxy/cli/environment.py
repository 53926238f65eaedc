"""The environment that makes common clients go through Countersign and trust its certificates."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

# Read as a path to a bundle of trusted roots: the system's roots and ours.
BUNDLE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    # Of single programs; where one is inherited, it would win over those above.
    "PIP_CERT",
    "HTTPLIB2_CA_CERTS",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "CARGO_HTTP_CAINFO",
    "DENO_CERT",
    "NIX_SSL_CERT_FILE",
)

# curl reads `http_proxy` in lower case only; others read upper case only; gRPC prefers its own.
PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy", "grpc_proxy")

# Each would let calls past us, so each is emptied.
WAYS_AROUND = ("NO_PROXY", "no_proxy", "no_grpc_proxy", "npm_config_noproxy")

# The operator's, and no business of an agent.
OURS = ("COUNTERSIGN_CONFIG",)


def agent_environment(
    inherited: Mapping[str, str], *, agent: str, handle: str, proxy: str, gateway: str, bundle: Path
) -> dict[str, str]:
    """The child's whole environment. `proxy` and `gateway` are `host:port`; an empty gateway is none."""
    url = f"http://{quote(agent, safe='')}:{quote(handle, safe='')}@{proxy}"
    return {
        **{name: value for name, value in inherited.items() if name not in OURS},
        **dict.fromkeys(PROXY_VARIABLES, url),
        **dict.fromkeys(BUNDLE_VARIABLES, str(bundle)),
        **dict.fromkeys(WAYS_AROUND, ""),
        "NODE_USE_ENV_PROXY": "1",
        "COUNTERSIGN_AGENT": agent,
        "COUNTERSIGN_HANDLE": handle,
        "COUNTERSIGN_GATEWAY": f"http://{gateway}" if gateway else "",
    }
