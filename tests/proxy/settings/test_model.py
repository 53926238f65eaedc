"""Every setting, with a safe default and an explanation."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

import proxy
from policies.model import Mode
from proxy.settings.model import Address, Holds, Issuer, Settings


def groups(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [type(field.default) for field in model.model_fields.values() if isinstance(field.default, BaseModel)]
    return [model, *(found for group in inner for found in groups(group))]


def test_every_setting_has_an_explanation_of_one_line():
    """A setting that nobody can understand from the example file does not exist."""
    for model in (*groups(Settings), Issuer):
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name} has no description"
            assert "\n" not in field.description
            assert field.description.endswith((".", ":")), f"{model.__name__}.{name}"


def test_every_setting_is_honoured():
    """A setting that the composition never reads would be a promise that nobody keeps."""
    app = "".join(path.read_text() for path in sorted((Path(proxy.__path__[0]) / "app").glob("*.py")))
    settings = {name for model in groups(Settings) for name in model.model_fields} - {"version"}
    assert {name for name in settings if not re.search(rf"\.{name}\b", app)} == set()


def test_what_is_not_set_is_safe():
    """Nothing configured: enforced, loopback only, nobody trusted, nothing leaves the machine."""
    settings = Settings()
    assert settings.mode is Mode.ENFORCE
    assert [str(getattr(settings.listen, name)) for name in ("proxy", "gateway", "control")] == [
        "127.0.0.1:8080",
        "127.0.0.1:8081",
        "127.0.0.1:8082",
    ]
    assert {settings.listen.proxy_tls, settings.listen.gateway_tls, settings.listen.local} == {None}
    assert settings.identity.issuers == ()
    assert settings.telemetry.otlp_endpoint is None


def test_settings_are_frozen_and_unknown_ones_refused():
    """Nothing changes a setting after it was read, and a misspelt one is not ignored."""
    with pytest.raises(ValidationError):
        Settings().mode = Mode.OBSERVE
    with pytest.raises(ValidationError):
        Holds(inline_wait=4)


def test_addresses_are_written_as_people_write_them():
    """IPv6 is shown in brackets; loopback is recognised."""
    assert str(Address("::1", 80)) == "[::1]:80"
    assert Address("::1", 80).loopback
    assert not Address("0.0.0.0", 80).loopback
