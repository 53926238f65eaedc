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
)

# curl reads `http_proxy` in lower case only; others read upper case only.
PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy")


def agent_environment(
    inherited: Mapping[str, str], *, agent: str, handle: str, proxy: str, gateway: str, bundle: Path
) -> dict[str, str]:
    """The child's whole environment. `proxy` and `gateway` are `host:port`.

    An inherited `NO_PROXY` would let calls past us, so it is emptied, in both spellings.
    """
    url = f"http://{quote(agent, safe='')}:{quote(handle, safe='')}@{proxy}"
    return {
        **inherited,
        **dict.fromkeys(PROXY_VARIABLES, url),
        **dict.fromkeys(BUNDLE_VARIABLES, str(bundle)),
        "NO_PROXY": "",
        "no_proxy": "",
        "NODE_USE_ENV_PROXY": "1",
        "COUNTERSIGN_AGENT": agent,
        "COUNTERSIGN_HANDLE": handle,
        "COUNTERSIGN_GATEWAY": f"http://{gateway}",
    }
