"""The `countersign` command: its list of commands, and the one place where mistakes become words."""

import os
import sys
import traceback
from typing import Annotated

import typer

from proxy.cli import agent, audit, handle, holds, inventory, keys, person, review, task
from proxy.cli.check import check
from proxy.cli.demo import demo
from proxy.cli.init import init
from proxy.cli.logs import log_lines
from proxy.cli.revoke import freeze, lift, revocations, revoke
from proxy.cli.run import run
from proxy.cli.serve import serve
from proxy.cli.status import status
from proxy.cli.trace import trace
from proxy.errors import ConfigurationError, CountersignError

HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="countersign",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"countersign {version('countersign-proxy')}")
        raise typer.Exit


@app.callback(epilog="Exit status: 0 done, 2 a mistake of the person (said in words), 70 a bug of ours.")
def countersign(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A governance proxy for AI agents' tool calls: attributed, judged, held, served, recorded.

    \b
    countersign demo --yes                            see it work, in a minute
    countersign init countersign                      begin with a configuration of your own
    countersign serve -c countersign/countersign.yaml
    countersign revoke agent:ID --reason "..."        end an agent now, open streams included
    """


for first in (demo, init, check, serve):
    app.command()(first)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, **HELP},
    options_metavar="--agent ID [OPTIONS] -- CMD ...",
)(run)
for later in (status, revoke, freeze, lift, revocations, trace):
    app.command()(later)
for group in (agent, task, handle, holds, review, person, inventory, keys, audit):
    app.add_typer(group.app)


def main() -> None:
    """Run one command. A person's mistake is said in words and exits with 2; a bug exits with 70."""
    try:
        try:
            with log_lines():
                app()
        finally:
            sys.stdout.flush()  # a reader that has left is noticed here, not after us
    except ConfigurationError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        sys.exit(2)
    except CountersignError as error:
        print(f"countersign: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has left: nothing to say
        sys.exit(141)
    except Exception:  # noqa: BLE001 - the top of the command line: the last place to say a bug in words
        traceback.print_exc()
        print("countersign: this is a bug; please report it with the lines above", file=sys.stderr)
        sys.exit(70)
