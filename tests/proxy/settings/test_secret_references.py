"""The secrets that the settings name."""

from pathlib import Path

from proxy.settings.load import load_settings
from proxy.settings.secret_references import secret_references

SETTINGS = """\
version: 1
control: {scim_token: "file:scim"}
inventory_sources:
- {id: one, url: "https://cmdb.test/a", token: env:CMDB_TOKEN, sections: [people]}
- {id: two, url: "https://cmdb.test/b", sections: [teams]}
telemetry: {otlp_endpoint: "https://otlp.test", headers: {authorization: "file:otlp"}}
"""


def test_every_secret_of_the_settings_is_named(tmp_path: Path) -> None:
    """Single ones, those of lists, those of mappings, and our key for TLS; nothing else that is text."""
    (tmp_path / "countersign.yaml").write_text(SETTINGS)
    settings = load_settings(tmp_path / "countersign.yaml")
    listen = settings.listen.model_copy(update={"key_file": tmp_path / "tls.key"})
    assert dict(secret_references(settings.model_copy(update={"listen": listen}))) == {
        "control.scim_token": f"file:{tmp_path}/scim",
        "inventory_sources[0].token": "env:CMDB_TOKEN",
        "telemetry.headers.authorization": f"file:{tmp_path}/otlp",
        "listen.key_file": f"file:{tmp_path}/tls.key",
    }
