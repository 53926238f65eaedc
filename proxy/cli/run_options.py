"""The options of `countersign run`."""

from pathlib import Path
from typing import Annotated

import typer

Agent = Annotated[str, typer.Option(help="The agent's id in the inventory.", metavar="ID")]
For = Annotated[str | None, typer.Option("--for", metavar="PERSON", help="The human it acts for.")]
Task = Annotated[str | None, typer.Option(help="The task it belongs to; a new one if absent.", metavar="ID")]
Purpose = Annotated[str, typer.Option(help="What it is for, in a few words.", metavar="TEXT")]
User = Annotated[str | None, typer.Option(metavar="NAME|UID", help="Run it as this user; only root can.")]
Shim = Annotated[bool, typer.Option("--shim", help="Keep the credential out of its environment: a local shim adds it.")]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="SOURCE",
        help="By the shim, show this instead of a handle: k8s:PATH (token file), svid:AUDIENCE or x509-svid "
        "(SPIFFE Workload API), x509:CERT,KEY (files), task:SERVICE/TOOL,read:DATASET,... (task tokens), peer (the "
        "user, at a UNIX socket).",
    ),
]
Through = Annotated[
    str | None, typer.Option(metavar="URL", help="The proxy, for the shim: https://HOST:PORT or unix:/PATH.")
]
Roots = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The roots to trust, if there is no server here to ask.")
]
TokenUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="The token endpoint, if it is not that of the server here.")
]
Key = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The agent's private key, for task tokens; else a handle.")
]
