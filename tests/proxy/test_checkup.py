"""Configuration, inventory and policies, read together."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from proxy.checkup import check_all, missing_here, unsafe_here
from proxy.settings import load_settings
from proxy.starter import write_starter

TODAY = date(2026, 12, 1)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A starter directory, in which the test stands; where people sign for themselves."""
    write_starter(tmp_path, TODAY)
    config = tmp_path / "countersign.yaml"
    config.write_text(config.read_text().replace("operator_may_sign: true", "operator_may_sign: false"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(folder: Path, environment=("CRM_API_KEY",), today: date = TODAY) -> tuple[list[str], list[str]]:
    checkup = check_all(folder / "countersign.yaml", today, environment)
    assert (checkup.world is None) == bool(checkup.mistakes)
    return [str(mistake) for mistake in checkup.mistakes], [str(warning) for warning in checkup.warnings]


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_starter_has_neither_mistakes_nor_warnings(folder):
    """What `countersign init` wrote is good once its secret is there, but that one person signs for all."""
    assert found(folder) == ([], [])
    config = folder / "countersign.yaml"
    config.write_text(config.read_text().replace("operator_may_sign: false", "operator_may_sign: true"))
    mistakes, (warning,) = found(folder)
    assert mistakes == []
    assert "control.operator_may_sign" in warning


def test_without_a_configuration_nothing_else_is_judged(folder):
    """A wrong path is one mistake, whatever lies in the folder where one stands."""
    mistakes, warnings = found(folder / "elsewhere")
    assert len(mistakes) == 1
    assert mistakes[0].startswith("elsewhere/countersign.yaml: cannot be read: no such file or directory; name yours")
    assert warnings == []


def test_what_the_starter_shows_is_good_once_it_is_uncommented(folder):
    """Deputies, identities, instances, processes and partners, as the comments of the inventory have them."""
    agents = folder / "inventory" / "agents.yaml"
    text = agents.read_text()
    for said in ("review_interval_days:", "deputies:", "identities:", "instances:", "  - {"):
        text = text.replace(f"    # {said}", f"    {said}")
    head, _, rest = text.partition("# processes:")
    kept = [line if line.startswith("# Organ") else line.removeprefix("# ") for line in rest.splitlines()]
    agents.write_text(head + "processes:" + "\n".join(kept) + "\n")
    mistakes, warnings = found(folder)
    assert mistakes == []
    assert [line for line in warnings if "agents.yaml" not in line] == []
    world = check_all(folder / "countersign.yaml", TODAY, ()).world
    assert world is not None
    inventory = world.inventory
    assert set(inventory.processes) == {"nightly-refunds"}
    assert set(inventory.partners) == {"acme"}
    agent = inventory.agents["support-bot"]
    assert (len(agent.identities), len(agent.instances), len(agent.deputies)) == (3, 1, 1)


def test_teams_of_the_settings_must_be_there(folder):
    """A misspelt team would leave an incident without its responders."""
    spoil(folder / "countersign.yaml", "responders: []", "responders: [security, soc]")
    mistakes, warnings = found(folder)
    assert mistakes == []
    assert warnings == ["countersign.yaml: control.responders: `soc` is not a team in the inventory; nobody is of it"]


def test_a_scim_token_that_is_not_set_is_told(folder):
    """`countersign serve` would not start."""
    spoil(folder / "countersign.yaml", "  scim_token:\n", "  scim_token: env:SCIM_TOKEN\n")
    unset = (
        "control.scim_token: the variable `SCIM_TOKEN` is not set here; `countersign serve` does not start without it"
    )
    assert found(folder) == ([], [f"countersign.yaml: {unset}"])
    assert found(folder, ("CRM_API_KEY", "SCIM_TOKEN")) == ([], [])


def test_a_secret_that_others_may_read_is_told(folder):
    """Of the settings and of the inventory, each where it is named, until its file is closed."""
    spoil(folder / "inventory" / "services.yaml", "env:CRM_API_KEY", "file:crm.key")
    spoil(folder / "countersign.yaml", "  scim_token:\n", "  scim_token: file:scim.key\n")
    loose = "others than its owner may read the secret in `{}`; chmod 600 it"
    for name in ("inventory/crm.key", "crm.key", "scim.key"):
        (folder / name).write_text("long enough")
        (folder / name).chmod(0o644)
    mistakes, warnings = found(folder)
    assert mistakes == []
    assert len(warnings) == 2
    assert warnings[0] == f"countersign.yaml: control.scim_token: {loose.format('scim.key')}"
    assert re.match(r"inventory/services\.yaml:\d+: services\[", warnings[1])
    assert "crm.key`; chmod 600 it" in warnings[1]
    settings, world = (
        load_settings(folder / "countersign.yaml"),
        check_all(folder / "countersign.yaml", TODAY, ()).world,
    )
    assert world is not None
    told = unsafe_here(settings, world.inventory)
    assert told[0] == f"`control.scim_token`: {loose.format('scim.key')}"
    assert told[1].startswith("`crm`, `")
    for path in folder.rglob("*.key"):
        path.chmod(0o400)
    assert found(folder) == ([], [])
    assert unsafe_here(settings, world.inventory) == []


def test_secrets_that_are_missing_are_told_at_the_start(folder, monkeypatch):
    """Whoever is asked why calls are refused finds it in the start-up lines; nothing once it is there."""
    world = check_all(folder / "countersign.yaml", TODAY, ()).world
    assert world is not None
    monkeypatch.delenv("CRM_API_KEY", raising=False)
    assert missing_here(world.inventory) == [
        "`crm`, `crm-key`: the variable `CRM_API_KEY` is not set here; calls that need it are refused until it is"
    ]
    monkeypatch.setenv("CRM_API_KEY", "long enough")
    assert missing_here(world.inventory) == []


def test_a_state_that_others_may_enter_is_told(folder):
    """Before a start refuses it: with what to do. One that is not there yet is made by the start."""
    state = folder / "state"
    for mode, told in ((0o755, True), (0o701, True), (0o700, False)):
        state.mkdir(exist_ok=True)
        state.chmod(mode)
        mistakes, warnings = found(folder)
        assert mistakes == []
        assert [f"(mode {mode:04o})" in line and f"`chmod 700 {state}`" in line for line in warnings] == [True] * told


def test_a_source_that_has_said_nothing_yet_is_told(folder):
    """What names what it would bring is a mistake until then, and that is why."""
    config = folder / "countersign.yaml"
    spoil(config, "inventory_sources: []", "inventory_sources: [{id: hr, file: hr.json}, {id: cmdb}]")
    kept = folder / "state" / "inventory" / "hr.json"
    _, warnings = found(folder)
    assert [re.findall("`(hr|cmdb)` yet", line) for line in warnings if "inventory_sources" in line] == [
        ["hr"],
        ["cmdb"],
    ]
    kept.parent.mkdir(parents=True, mode=0o700)
    kept.parent.parent.chmod(0o700)
    kept.write_text('{"people": []}')
    _, warnings = found(folder)
    assert [re.findall("`(hr|cmdb)` yet", line) for line in warnings if "inventory_sources" in line] == [["cmdb"]]


def test_identities_that_nothing_verifies_are_told(folder):
    """An identity of an issuer, a trust domain or a socket that the settings do not have is worth nothing."""
    agents = folder / "inventory" / "agents.yaml"
    text = agents.read_text()
    instances = '{issuer: spiffe://a.example, subject: "spiffe://a.example/{instance}"}'
    shown = f"    identities: [{{issuer: unix, subject: uid=7}}]\n    instances: [{instances}]\n"
    agents.write_text(text.replace("    ticket: SUP-1\n", f"    ticket: SUP-1\n{shown}"))
    mistakes, warnings = found(folder)
    assert mistakes == []
    assert [line.partition("support-bot].")[2] for line in warnings] == [
        "identities[0].issuer: `unix` needs `listen.local` in the settings; it proves nothing until then",
        "instances[0].issuer: `spiffe://a.example` is not in `identity` of the settings; it proves nothing until it is",
    ]
    (folder / "bundle.json").write_text('{"keys": []}')
    domain = "trust_domains: [{trust_domain: a.example, audience: a, bundle_file: bundle.json}]"
    spoil(folder / "countersign.yaml", "trust_domains: []", domain)
    spoil(folder / "countersign.yaml", "  local:\n", "  local: proxy.sock\n")
    assert found(folder) == ([], [])


def test_accounts_that_would_be_taken_for_agents_are_told(folder):
    """Where an issuer knows people too; and an agent of the settings that there is none of."""
    inventory = folder / "inventory"
    shown = "    identities: [{issuer: https://idp.example, subject: NAME}]\n"
    spoil(inventory / "agents.yaml", "    ticket: SUP-1\n", "    ticket: SUP-1\n" + shown.replace("NAME", "bot"))
    issuer = "issuer: https://idp.example, audience: us, jwks_url: https://idp.example/keys"
    actors = "actors: [{client_id: app, agents: [support-bot, suport-bot]}]"
    spoil(folder / "countersign.yaml", "issuers: []", f"issuers: [{{{issuer}, {actors}}}]")
    unknown = "countersign.yaml: identity.issuers.actors: `suport-bot` is not an agent in the inventory"
    assert found(folder) == ([], [unknown])
    people = (inventory / "people.yaml").read_text()
    (inventory / "people.yaml").write_text(people.replace("  - id: alice\n", "  - id: alice\n" + shown, 1))
    mistakes, (first, second) = found(folder)
    assert (mistakes, second) == ([], unknown)
    assert "agents[support-bot].identities[0]: without `client_id`, a person's account of this name" in first
    spoil(inventory / "agents.yaml", "subject: bot}", "subject: bot, client_id: bot}")
    assert found(folder) == ([], [unknown])


def test_mistakes_of_all_three_come_together(folder):
    """The configuration, the inventory and a policy that cannot be read are told at once."""
    spoil(folder / "countersign.yaml", "mode: enforce", "mode: enforced")
    spoil(folder / "inventory" / "datasets.yaml", "owner: alice", "owner: alcie")
    (folder / "policies" / "broken.cedar").write_bytes(b"\xff")
    mistakes, warnings = found(folder)
    assert mistakes == [
        "countersign.yaml:8: mode: `enforced` is not one of `enforce`, `observe`; did you mean `enforce`?",
        (
            "inventory/datasets.yaml:4: datasets[customers].owner: `alcie` is not a person in the inventory; "
            "did you mean `alice`?"
        ),
        "policies/broken.cedar:1: not UTF-8; save the file as UTF-8",
    ]
    assert warnings == []


def test_a_policy_about_what_the_inventory_does_not_have_is_a_mistake(folder):
    """Policies are checked against the tools that really exist."""
    spoil(folder / "inventory" / "services.yaml", "name: create_refund", "name: make_refund")
    mistakes, _ = found(folder)
    assert mistakes
    assert any("baseline.cedar" in mistake and "crm/create_refund" in mistake for mistake in mistakes)


def test_what_the_catalogue_finds_has_a_place(folder):
    """A selector for a tool that an OpenAPI document should have is found at its dataset."""
    (folder / "api").mkdir()
    (folder / "api" / "crm.json").write_text('{"openapi": "3.1.0", "info": {}, "paths": {}}')
    spoil(
        folder / "inventory" / "services.yaml",
        "    trust: internal",
        "    openapi: ../api/crm.json\n    trust: internal",
    )
    spoil(folder / "inventory" / "datasets.yaml", "[get_customer]", "[get_order]")
    mistakes, _ = found(folder)
    assert [mistake.split(": ")[0] for mistake in mistakes if "get_order" in mistake] == ["inventory/datasets.yaml:3"]


def test_warnings_say_what_is_unsafe_and_what_will_be_refused(folder):
    """Unsafe settings, missing secrets and agents out of standing are warnings."""
    spoil(folder / "countersign.yaml", "mode: enforce", "mode: observe")
    mistakes, warnings = found(folder, (), TODAY + timedelta(days=91))
    assert mistakes == []
    assert [warning.split(": ")[0] for warning in warnings] == [
        "countersign.yaml",
        "inventory/agents.yaml:12",
        "inventory/services.yaml:31",
    ]


def test_nothing_at_all_is_mistakes_and_no_traceback(tmp_path, monkeypatch):
    """A directory without any of it says what is missing."""
    monkeypatch.chdir(tmp_path)
    mistakes, warnings = found(tmp_path)
    assert [mistake.split(": ")[0] for mistake in mistakes] == ["countersign.yaml"]
    (tmp_path / "countersign.yaml").touch()
    mistakes, warnings = found(tmp_path)
    assert [mistake.split(": ")[0] for mistake in mistakes] == ["inventory", "policies"]
    assert warnings == []


def test_tokens_that_nothing_mints_are_a_warning(folder):
    """A binding that shows them, without an issuer of ours; with one there is nothing to say."""
    exchange = """
    bindings:
      - id: crm-exchange
        kind: token_exchange
        token_url: https://idp.example.com/token
        client_id: countersign
        secret: env:CRM_API_KEY
        audience: [crm]
        methods: [POST]
        paths: ["/exchange/*"]
"""
    text = (folder / "inventory" / "services.yaml").read_text()
    assert "    bindings:\n" in text
    (folder / "inventory" / "services.yaml").write_text(text.replace("\n    bindings:\n", exchange, 1))
    _, warnings = found(folder)
    assert [one for one in warnings if "subject_token: is `minted`" in one]
    spoil(folder / "countersign.yaml", "identity:", "identity:\n  token_issuer: https://gov.example.com")
    assert not [one for one in found(folder)[1] if "minted" in one]
