"""An internal service that takes only calls which Countersign accounts for, and prints who is behind each of them.

    python deploy/examples/internal_service.py --trust-domain prod.example.com --destination https://crm.internal \
        --jwks https://countersign.prod.example.com/.well-known/jwks.json --certificate crm.pem --key crm.key

`--destination` is this service's URL in Countersign's inventory, where it has `trust: internal`; `--trust-domain` is
the setting `downstream.trust_domain`. It runs on uvicorn, as any ASGI application does; of Countersign it imports
`proxy.downstream`, which needs PyJWT and nothing else. It is not to be had alone: install `countersign-proxy`, or copy
the files that `proxy/downstream/verifier.py` names.
"""  # noqa: INP001 - a script to copy, not a package

import argparse
import json
import socket
from typing import Any

import uvicorn

from proxy.downstream.asgi import RequireCountersign
from proxy.downstream.verifier import Verifier


async def service(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401, ARG001 - ASGI's own shape
    """Say who is behind the call. Nobody gets here whom Countersign does not account for."""
    account = scope["countersign"]
    print(f"{scope['method']} {account.tool or scope['path']}: {account}; {account.owner} answers for it", flush=True)  # noqa: T201 - what it is for
    told = {"chain": str(account), "wholly_verified": account.verified, "approval": account.approval}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trust-domain", required=True)
    parser.add_argument("--destination", required=True, action="append", help="may be given again for another name")
    parser.add_argument("--jwks", required=True, help="Countersign's /.well-known/jwks.json")
    parser.add_argument("--jwks-ca", help="PEM file that vouches for that URL")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8443)
    parser.add_argument("--fd", type=int, help="a listening socket that is inherited, instead of host and port")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    given = parser.parse_args()

    verifier = Verifier(
        trust_domain=given.trust_domain, destination=given.destination, jwks_url=given.jwks, ca_file=given.jwks_ca
    )
    app = RequireCountersign(service, verifier)

    config = uvicorn.Config(
        app,
        host=given.host,
        port=given.port,
        ssl_certfile=given.certificate,
        ssl_keyfile=given.key,
        lifespan="off",
        log_level="warning",
    )
    sockets = None if given.fd is None else [socket.socket(fileno=given.fd)]
    uvicorn.Server(config).run(sockets=sockets)


if __name__ == "__main__":
    main()
