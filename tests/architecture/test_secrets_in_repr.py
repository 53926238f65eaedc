"""No secret is printed by what prints the thing that holds it: a log line, an assertion, a trace with its locals."""

import dataclasses
import importlib
import pkgutil
import re
from typing import Any

import pytest

import policies
import proxy
import telemetry
from proxy.console.pages import Visit
from proxy.control.oauth.forms import Form, Sent
from proxy.control.signals.sets import Presented
from proxy.credentials.endpoints import EndpointReply
from proxy.credentials.kinds.vault import Leased
from proxy.credentials.references import _Read
from proxy.credentials.sigv4 import Keys
from proxy.inspection.leaks import _needles
from proxy.stages import Evidence, Injection, Reply, Request, Secret
from telemetry.redaction import Redacted

SECRET = "xyzzy-0815-plugh"
RAW = SECRET.encode()

HOLDERS: list[Any] = [
    Evidence("127.0.0.1", credentials=(("basic", SECRET),)),
    Request("GET", "https", "a.test", 443, "/", f"key={SECRET}", (("authorization", SECRET),), RAW),
    Reply(200, (), RAW),
    Secret("env:A", SECRET),
    Injection((("authorization", SECRET),), (Secret("env:A", SECRET),)),
    _Read((1, 2, 3, 4), SECRET),
    Keys("AKIA", SECRET, SECRET),
    Leased(Secret("env:A", SECRET), login=SECRET),
    EndpointReply("https://a.test", 200, RAW),
    Presented(None, SECRET, None),  # type: ignore[arg-type]  # only its token matters here
    Form({"client_secret": SECRET}, (), ()),
    Sent("POST", "/", authorization=(SECRET,), body=RAW),
    Visit(None, None, None, SECRET),  # type: ignore[arg-type]  # only its cookie matters here
    _needles(Secret("env:A", SECRET)),
    Redacted("", [], 0, RAW),
]

# Fields whose name sounds like a secret, and what they hold instead.
KNOWN = {
    "proxy.control.signals.model.Transmitter.secret": "a reference",
    "proxy.control.signals.model.Receiver.secret": "a reference",
    "proxy.protocols.openapi._Reader.credentials": "names of parameters",
}
SOUNDS_SECRET = re.compile(r"secret|password|passphrase|private_key|credentials|cookie|salt|token")


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_what_holds_a_secret_does_not_print_it(holder: Any) -> None:
    """Neither its text nor its bytes are in what is printed, in any of the three ways."""
    for printed in (repr(holder), str(holder), f"{holder}"):
        assert SECRET not in printed


def fields() -> dict[str, dataclasses.Field[Any]]:
    found = {}
    for package in (policies, proxy, telemetry):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.name:
                    found |= {f"{module.name}.{name}.{field.name}": field for field in dataclasses.fields(value)}
    return found


def test_a_field_that_sounds_like_a_secret_is_not_printed() -> None:
    """Of each dataclass, text, bytes and collections with such a name are left out, but for those that are listed."""
    wrong = [
        name
        for name, field in fields().items()
        if SOUNDS_SECRET.fullmatch(field.name)
        and field.repr
        and re.search(r"\b(str|bytes)\b", str(field.type))
        and name not in KNOWN
    ]
    assert wrong == []


def test_what_is_listed_is_still_there() -> None:
    """An exception that is no longer needed goes."""
    assert KNOWN.keys() <= fields().keys()
