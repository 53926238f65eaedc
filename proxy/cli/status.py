"""`countersign status`: what is running, and what is in force."""

import json as json_

from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config


def status(config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """Show what is running and in force: addresses, mode, versions, the audit log, what is unsafe.

    \b
    countersign status
    countersign status --json | jq .policy_version
    """
    answer = call(config, "GET", "/v1/status")
    if json:
        show.as_json(answer)
        return
    for name, value in answer.items():
        print(f"{name:20} {json_.dumps(value) if isinstance(value, dict | list) else value}")
