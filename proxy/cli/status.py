"""`countersign status`: what is running, and what is in force."""

from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config


def status(config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """Show what is running and in force.

    Addresses, mode, versions, the audit log, and what is unsafe. Without a running server, `running` is no,
    and the rest is what would be in force.

    \b
    countersign status
    countersign status --json | jq .policy_version
    """
    answer = call(config, "GET", "/v1/status")
    answer = {"running": bool(answer.get("proxy")), **answer}
    show.as_json(answer) if json else show.document(answer)
