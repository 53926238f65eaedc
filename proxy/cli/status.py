"""`countersign status`: what is running, and what is in force."""

from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config

NOT_RUNNING = "no server is running; start it with `countersign serve`"


def status(config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """Show what is running and in force.

    Addresses, mode, versions, the audit log, and what is unsafe. Without a running server, `running` and `ready`
    are no, and the rest is what would be in force.

    \b
    countersign status
    countersign status --json | jq .policy_version
    """
    answer = call(config, "GET", "/v1/status")
    answer = {"running": bool(answer.get("proxy")), **answer}
    if not answer["running"]:
        answer |= {"ready": False, "trouble": answer.get("trouble") or NOT_RUNNING}
    if json:
        show.as_json(answer)
        return
    if not answer["running"]:
        print("No server is running here, so no call passes. What would be in force:\n")
    show.document(answer)
