"""A configuration to begin with: commented, small, and without a mistake."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from string import Template
from types import UnionType
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from policies.model import Mode
from proxy.documents import shown
from proxy.errors import ConfigurationError, Mistake
from proxy.settings.model import Address, Control, InventorySource, Issuer, Settings
from proxy.settings.signals import EventReceiver, Transmitter
from proxy.settings.workloads import Cluster, TrustedDomain

_CONFIGURATION = "countersign.yaml"
_IGNORE = ".gitignore"
# What an entry of a list looks like, where its settings have no default or need one of several.
_EXAMPLES: dict[type[BaseModel], dict[str, str]] = {
    Issuer: {"issuer": "https://issuer.example.com", "audience": "countersign", "jwks_file": "issuer.jwks.json"},
    TrustedDomain: {"trust_domain": "prod.example.com", "audience": "countersign", "bundle_file": "prod.bundle.json"},
    Cluster: {"issuer": "https://kubernetes.example.com", "audience": "countersign", "jwks_file": "cluster.jwks.json"},
    InventorySource: {"id": "cmdb", "url": "https://cmdb.example.com/agents.json"},
    Transmitter: {
        "issuer": "https://idp.example.com",
        "audience": "https://countersign.example.com",
        "jwks_file": "idp.jwks.json",
        "authorization": "file:idp.token",
        "email_domains": "[example.com]",
    },
    EventReceiver: {
        "id": "crm",
        "audience": "https://crm.example.com",
        "url": "https://crm.example.com/ssf/events",
        "authorization": "file:crm.token",
    },
}


# What a first configuration says in place of the default, for the first minutes on one's own machine.
_AT_FIRST: dict[tuple[type[BaseModel], str], str] = {(Control, "operator_may_sign"): "true"}


def write_starter(directory: Path, today: date | None = None) -> list[Path]:
    """Writes a configuration, an inventory and policies into this directory, and gives the files.

    Raises `ConfigurationError`, having written nothing, rather than replace anything that is there.
    """
    directory = Path(os.path.abspath(directory))  # noqa: PTH100 - `resolve` would follow links
    contents = _contents(today or datetime.now(UTC).date())
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / _IGNORE).exists():
            del contents[_IGNORE]
        _refuse_to_replace(directory, contents)
        _write(directory, contents)
    except OSError as error:
        raise _wrong(directory, f"cannot be written: {(error.strerror or str(error)).lower()}") from error
    return [directory / name for name in contents]


def example() -> str:
    """The configuration file with every setting, its default and its explanation."""
    head = (
        "# Countersign's configuration: every setting, with its default (but for `operator_may_sign`). What you\n"
        "# remove has its default. Paths start at the folder of this file.\n"
    )
    return head + "\n".join(_lines(Settings, 0)) + "\n"


def _contents(today: date) -> dict[str, str]:
    """What goes where, the configuration last: its presence says that all is there."""
    dates = {"expires": today + timedelta(days=365), "review_due": today + timedelta(days=90), "today": today}
    contents = {
        f"inventory/{item.name}": Template(item.read_text(encoding="utf-8")).substitute(dates)
        for item in sorted(files("proxy").joinpath("templates", "inventory").iterdir(), key=lambda item: item.name)
    }
    contents |= {
        f"policies/{item.name}": item.read_text(encoding="utf-8")
        for item in sorted(files("policies").joinpath("bundled").iterdir(), key=lambda item: item.name)
        if item.name.endswith(".cedar")
    }
    return contents | {_IGNORE: "# keys, database, audit log\n/state/\n", _CONFIGURATION: example()}


def _refuse_to_replace(directory: Path, contents: dict[str, str]) -> None:
    mistakes = [
        Mistake(shown(directory / name), 0, "", "is already there, and nothing is replaced; choose another directory")
        for name in dict.fromkeys(name.split("/")[0] for name in contents)
        if os.path.lexists(directory / name)
    ]
    if mistakes:
        raise ConfigurationError(mistakes)


def _write(directory: Path, contents: dict[str, str]) -> None:
    """Everything is written aside first, then moved into place."""
    aside = Path(tempfile.mkdtemp(prefix=".countersign-", dir=directory))
    try:
        for name, text in contents.items():
            path = aside / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for name in dict.fromkeys(name.split("/")[0] for name in contents):
            (aside / name).rename(directory / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _wrong(path: Path, text: str) -> ConfigurationError:
    return ConfigurationError([Mistake(shown(path), 0, "", text)])


def _lines(model: type[BaseModel], depth: int) -> Iterator[str]:
    """One setting a line, under its explanation."""
    indent = "  " * depth
    for name, field in model.model_fields.items():
        if depth == 0:
            yield ""
        yield f"{indent}# {field.description}"
        default = field.default
        if isinstance(default, BaseModel):
            yield f"{indent}{name}:"
            yield from _lines(type(default), depth + 1)
        elif (item := _item(field)) in _EXAMPLES:
            yield f"{indent}{name}: []"
            yield from _example_of(item, indent)
        else:
            yield f"{indent}{name}: {_AT_FIRST.get((model, name)) or _written(default)}".rstrip()


def _example_of(model: type[BaseModel], indent: str) -> Iterator[str]:
    """One item of a list, commented out, with words that show what belongs there."""
    for position, (name, field) in enumerate(model.model_fields.items()):
        value = _EXAMPLES[model].get(name) or _written(field.default)
        yield f"{indent}#   {'- ' if position == 0 else '  '}{f'{name}: {value}'.rstrip():<40}  # {field.description}"


def _item(field: FieldInfo) -> type[BaseModel]:
    """What a list is of, if that is a group of settings; else the group that has none."""
    arguments = get_args(field.annotation)
    item = arguments[0] if arguments and not isinstance(field.annotation, UnionType) else None
    return item if isinstance(item, type) and issubclass(item, BaseModel) else BaseModel


def _written(default: object) -> str:
    if isinstance(default, Mode):
        return default.value
    if isinstance(default, tuple):
        return f"[{', '.join(str(item) for item in default)}]"
    if isinstance(default, Address | Path | str | int):
        return str(default)
    return "" if default is None else "{}"
