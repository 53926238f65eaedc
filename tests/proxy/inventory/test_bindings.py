"""The rules of a binding."""

import pytest

from proxy.errors import ConfigurationError
from tests.fakes.inventories import SERVICES, load_inventory, write_inventory


def spoiled(folder, monkeypatch, old: str, new: str) -> list[str]:
    monkeypatch.chdir(folder)
    assert SERVICES.count(old) == 1
    with pytest.raises(ConfigurationError) as wrong:
        load_inventory(write_inventory(folder, services=SERVICES.replace(old, new)))
    return str(wrong.value).splitlines()


@pytest.mark.parametrize(
    "secret", ["sk-live-1234567890", "'env:'", "env:A-B", "env:1A", "'file:'", "vault:x", "''", "'env:A B'", "ENV:KEY"]
)
def test_a_secret_is_a_reference_and_never_repeated(tmp_path, monkeypatch, secret):
    """A literal secret is a mistake, and the message does not show it again."""
    assert spoiled(tmp_path, monkeypatch, "env:CRM_KEY", secret) == [
        (
            "services.yaml:12: services[crm].bindings[crm-key].secret: must be a reference, `env:NAME` or `file:PATH`, "
            "never the secret itself; if a real secret stood here, replace it at its source"
        )
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("methods: [GET]", "methods: []",
         "13: services[crm].bindings[crm-key].methods: is empty and so matches nothing; name at least one"),
        ("methods: [GET]", "methods: [get]",
         "13: services[crm].bindings[crm-key].methods[0]: must be a method in capitals, such as `GET`, or `*` for any"),
        ("paths: [/api/customers/*]", "paths: []",
         "14: services[crm].bindings[crm-key].paths: is empty and so matches nothing; name at least one"),
        ("paths: [/api/customers/*]", "paths: ['/a/{id}', 'b', '/c/..', /d*, /*/e, /f/*]",
         "\n".join(
             f"14: services[crm].bindings[crm-key].paths[{index}]: must start with `/`, without spaces, `..`, `?` or "
             "`#`, and with `*` only as its last segment"
             for index in (1, 2, 3, 4)
         )),
        ("methods: [GET]", "methods: [GET]\n        header: 'X Key'",
         "14: services[crm].bindings[crm-key].header: is not a header name"),
        ("methods: [GET]", "methods: [GET]\n        header: Host",
         "14: services[crm].bindings[crm-key].header: must not be `Host`, which belongs to the connection"),
        ("methods: [GET]", "methods: [GET]\n        header: Proxy-Authorization",
         ("14: services[crm].bindings[crm-key].header: must not be `Proxy-Authorization`, which belongs to the "
         "connection")),
        ("methods: [GET]", "methods: [GET]\n        value: Bearer abc",
         "14: services[crm].bindings[crm-key].value: must be one line of ASCII text that holds `{secret}`"),
        ("methods: [GET]", 'methods: [GET]\n        value: "{secret}\\nX: y"',
         "14: services[crm].bindings[crm-key].value: must be one line of ASCII text that holds `{secret}`"),
        ("methods: [GET]", "methods: [GET]\n        query: key",
         ("14: services[crm].bindings[crm-key].query: does not go with `trust: internal`: such a service gets a token "
          "over its whole URL; use `header`")),
        ("        secret: env:CRM_KEY\n", "", "11: services[crm].bindings[crm-key].secret: is missing; add it"),
    ],
)  # fmt: skip
def test_each_mistake_of_a_binding_is_located(tmp_path, monkeypatch, old, new, expected):
    """A binding that matches nothing, or would put the secret where it does not belong, is a mistake."""
    lines = [line.removeprefix("services.yaml:") for line in spoiled(tmp_path, monkeypatch, old, new)]
    assert "\n".join(lines) == expected
