"""The template environment: everything is escaped, an unknown name is a mistake, and agents' text is spelled out."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from proxy.console import words
from proxy.console.assets import Assets
from proxy.console.glyphs import shown


def environment(assets: Assets) -> Environment:
    """Templates from our own folder only."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "shown": shown,
        "moment": words.moment,
        "stamp": words.stamp,
        "machine": words.machine,
        "left": words.left,
        "took": words.took,
        "role": words.role,
        "method": words.method,
        "amount": words.amount,
    }
    made.globals |= {"words": words, "asset": assets.url}
    return made
