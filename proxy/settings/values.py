"""Values that settings of several kinds are made of."""

import re
from typing import Annotated

from pydantic import AfterValidator

from proxy.inventory.addresses import parse_url

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f]+")


def _url(text: str) -> str:
    parse_url(text)
    return text


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        raise ValueError("must be a reference, `env:NAME` or `file:PATH`, never the secret itself")
    return text


type Url = Annotated[str, AfterValidator(_url)]
type Reference = Annotated[str, AfterValidator(_reference)]
