"""A small ledger: a real HTTPS service that takes only calls which Countersign accounts for, and says who calls."""

import json
import socket
import sys
from typing import Any

import uvicorn

from proxy.downstream.asgi import RequireCountersign
from proxy.downstream.verifier import Verifier

HOST = "ledger.demo.internal"
TRUST_DOMAIN = "demo.internal"


async def ledger(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI's own shape
    """The entries, for whoever gets here; who that is, goes to the output."""
    account = scope["countersign"]
    print(f"{account}; {account.owner} answers for it", flush=True)
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send(
        {"type": "http.response.body", "body": json.dumps({"entries": [{"refund": 1, "booked": True}]}).encode()}
    )


def main(chain: str, key: str, listening: str, keys: str) -> None:
    """Serve on this listening socket, inherited by its number, until killed. `keys` is where Countersign's are."""
    verifier = Verifier(trust_domain=TRUST_DOMAIN, destination=f"https://{HOST}", jwks_url=keys)
    application = RequireCountersign(ledger, verifier)
    config = uvicorn.Config(application, ssl_certfile=chain, ssl_keyfile=key, lifespan="off", log_level="error")
    with socket.socket(fileno=int(listening)) as sock:
        uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main(*sys.argv[1:])
