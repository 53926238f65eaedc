"""The demo's ledger: nobody gets in around the proxy."""

import ssl

import httpx

from proxy.demo.stage import Stage, start_ledger
from tests.fakes.waiting import PATIENCE


def test_nobody_gets_in_without_an_account(stage: Stage) -> None:
    """Straight to it, without a token or with a made-up one: refused with the reason, and nothing is said."""
    start_ledger(stage)
    trust = ssl.create_default_context(cafile=str(stage.root))
    url = f"https://127.0.0.1:{stage.ports['ledger']}/v1/entries"
    with httpx.Client(verify=trust, trust_env=False, timeout=PATIENCE) as client:
        for headers, reason in (({}, "token_missing"), ({"txn-token": "a.b.c"}, "token_malformed")):
            answer = client.get(
                url,
                headers={"host": "ledger.demo.internal", **headers},
                extensions={"sni_hostname": "ledger.demo.internal"},
            )
            assert (answer.status_code, answer.json()["reason"]) == (401, reason)
