"""`countersign person`: how people sign in, and that they have left."""

from pathlib import Path
from typing import Annotated

import typer

from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config

app = typer.Typer(name="person", help="Give people a way in, and take it away when they leave.", no_args_is_help=True)

Person = Annotated[str, typer.Argument(help="The person's id in the inventory.")]


@app.command()
def link(person: Person, config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """Print a link that signs this person in to the console.

    Once, within ten minutes.

    \b
    countersign person link alice
    """
    made = call(config, "POST", f"/v1/people/{person}/sign-in-links")
    show.as_json(made) if json else print(made["url"])


@app.command()
def token(
    person: Person,
    ttl: Annotated[int, typer.Option(help="Seconds until it ends.")] = 3600,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Print a token with which this person may use the control API.

    \b
    countersign person token alice --ttl 600
    curl -H "Authorization: Bearer $(countersign person token alice)" http://127.0.0.1:8082/v1/holds
    """
    made = call(config, "POST", f"/v1/people/{person}/tokens", {"ttl_seconds": ttl})
    show.as_json(made) if json else print(made["token"])


@app.command()
def deactivate(
    person: Person,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")],
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Say that this person has left.

    They can do nothing any more, nobody acts for them, and what they own is refused, or answered for by a deputy,
    within a second.

    \b
    countersign person deactivate olivia --reason "left the company"
    """
    _set(person, "deactivate", reason, config, json=json)


@app.command()
def activate(
    person: Person,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")],
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Take a deactivation back. Whom the inventory's files call inactive stays so.

    \b
    countersign person activate olivia --reason "back from leave"
    """
    _set(person, "activate", reason, config, json=json)


def _set(person: str, what: str, reason: str, config: Path, *, json: bool) -> None:
    answer = call(config, "POST", f"/v1/people/{person}/{what}", {"reason": reason})
    if json:
        show.as_json(answer)
    elif what == "activate" and not answer["active"]:
        print(f"{person} stays inactive: the inventory's files say so")
    else:
        print(f"{person} is {'active' if answer['active'] else 'inactive'}")
