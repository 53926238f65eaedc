"""`countersign person`: how people sign in."""

from typing import Annotated

import typer

from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config

app = typer.Typer(name="person", help="Give people a way in: sign-in links and tokens.", no_args_is_help=True)

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
