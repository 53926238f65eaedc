"""`countersign serve`: the proxy, the control API and the console."""

import sys
from typing import TYPE_CHECKING

from proxy.cli.logs import Format, Level, LogFormat, LogLevel, log_lines
from proxy.cli.options import DEFAULT_CONFIG, Config

if TYPE_CHECKING:
    from proxy.app.serve import Running


def serve(
    config: Config = DEFAULT_CONFIG,
    log_level: Level = LogLevel.INFO,
    log_format: Format = LogFormat.TEXT,
) -> None:
    """Serve the proxy, the control API and the console.

    Until SIGTERM or SIGINT; calls under way may then end. `ready` on stderr says that all doors are open.
    Edits of the inventory and the policies take effect while it runs. Trouble is told on stderr, a line for each;
    what happened to calls is in the audit log.

    \b
    countersign serve --config countersign/countersign.yaml
    """
    import asyncio

    from proxy.app.serve import serve_until_signal
    from proxy.settings import load_settings

    settings = load_settings(config)
    with log_lines(log_level, log_format):
        asyncio.run(serve_until_signal(settings, announce))


def announce(running: "Running") -> None:
    """The start-up lines: addresses, mode, versions, what is unsafe, and which secrets are missing."""
    lines = {
        "proxy": f"http://{running.proxy}   HTTPS_PROXY for agents (or: countersign run)",
        "gateway": f"http://{running.gateway}/<service>   base URL for agents that take one",
        "proxy-tls": f"https://{running.proxy_tls}   the same with TLS, and client certificates"
        if running.proxy_tls
        else "",
        "gateway-tls": f"https://{running.gateway_tls}/<service>" if running.gateway_tls else "",
        "local": f"{running.local}   the proxy for processes of this machine" if running.local else "",
        "console": f"{running.console}   sign in with: countersign person link PERSON",
        "mode": running.mode,
        "policies": running.policy_version,
        "inventory": running.inventory_version,
        "audit log": f"{running.audit_directory} ({running.audit_size} records)",
    }
    for name, value in lines.items():
        if value:
            print(f"{name:10} {value}", file=sys.stderr)
    for sentence in running.unsafe:
        print(f"UNSAFE     {sentence}", file=sys.stderr)
    for sentence in running.missing:
        print(f"MISSING    {sentence}", file=sys.stderr)
    print("ready", file=sys.stderr, flush=True)
