"""Nothing in the inventory refers to nothing."""

import re

import pytest

from proxy.errors import ConfigurationError
from tests.fakes.inventories import AGENTS, PEOPLE, SERVICES, load_inventory, write_inventory


def mistakes_of(folder, monkeypatch, **files: str) -> list[str]:
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigurationError) as wrong:
        load_inventory(write_inventory(folder, **files))
    return str(wrong.value).splitlines()


@pytest.mark.parametrize(
    ("stem", "old", "new", "expected"),
    [
        ("people", "teams: [support]", "teams: [suport]",
         ["people.yaml:5: people[alice].teams[0]: `suport` is not a team in the inventory; did you mean `support`?"]),
        ("people", "    active: false", "    email: ALICE@example.com",
         ["people.yaml:8: people[bob].email: is also the address of `alice` (people.yaml:2); one human is one entry"]),
        ("agents", "technical_owner: bob", "technical_owner: rob",
         [("agents.yaml:4: agents[support-bot].technical_owner: `rob` is not a person in the inventory; "
          "did you mean `bob`?")]),
        ("agents", "team: support", "team: sales",
         ["agents.yaml:5: agents[support-bot].team: `sales` is not a team in the inventory; known are `support`"]),
        ("agents", "    identities:",
         "    deputies:\n      - {person: eve, start: 2026-02-01, end: 2026-01-01}\n    identities:",
         [("agents.yaml:10: agents[support-bot].deputies[0].person: `eve` is not a person in the inventory; "
          "known are `alice`, `bob`"),
          ("agents.yaml:10: agents[support-bot].deputies[0].end: is before `start`; "
          "a deputy is one from `start` to `end`")]),
        ("services", "    owner: alice\n    url", "    owner: alcie\n    url",
         ["services.yaml:3: services[crm].owner: `alcie` is not a person in the inventory; did you mean `alice`?"]),
        ("services", "    owner: alice\n    sens", "    owner: nobody\n    sens",
         [("services.yaml:17: datasets[customers].owner: `nobody` is not a person in the inventory; "
          "known are `alice`, `bob`")]),
        ("services", "    owner: alice\n    url",
         "    owner: alice\n    deputies: [{person: eve, start: 2026-02-01, end: 2026-01-01}]\n    url",
         [("services.yaml:4: services[crm].deputies[0].person: `eve` is not a person in the inventory; "
          "known are `alice`, `bob`"),
          ("services.yaml:4: services[crm].deputies[0].end: is before `start`; "
          "a deputy is one from `start` to `end`")]),
        ("services", "    owner: alice\n    sens",
         "    owner: alice\n    deputies: [{person: eve, start: 2026-01-01, end: 2026-01-01}]\n    sens",
         [("services.yaml:18: datasets[customers].deputies[0].person: `eve` is not a person in the inventory; "
          "known are `alice`, `bob`")]),
        ("services", "service: crm", "service: cmr",
         [("services.yaml:20: datasets[customers].selectors[0].service: `cmr` is not a service in the inventory; "
          "did you mean `crm`?")]),
        ("services", "tools: [get_customer]", "tools: [get_custmer]",
         [("services.yaml:21: datasets[customers].selectors[0].tools[0]: `get_custmer` is not a tool of `crm`; "
          "did you mean `get_customer`?")]),
        ("services", "access: read", "access: read\n        paths: [customers]",
         ["services.yaml:23: datasets[customers].selectors[0].paths[0]: must start with `/`"]),
    ],
)  # fmt: skip
def test_each_dangling_reference_is_a_located_mistake(tmp_path, monkeypatch, stem, old, new, expected):
    """What does not exist, or cannot be shared, is told with its place and the nearest name."""
    source = {"people": PEOPLE, "agents": AGENTS, "services": SERVICES}[stem]
    assert source.count(old) == 1
    assert mistakes_of(tmp_path, monkeypatch, **{stem: source.replace(old, new)}) == expected


def test_two_agents_cannot_share_an_identity(tmp_path, monkeypatch):
    """One issuer and subject proves one agent only."""
    twin = AGENTS.replace("agents:\n", "").replace("support-bot", "twin")
    assert mistakes_of(tmp_path, monkeypatch, agents=AGENTS + twin) == [
        (
            "agents.yaml:20: agents[twin].identities[0]: is already an identity of `support-bot` (agents.yaml:2); "
            "one identity is one party"
        )
    ]


def test_no_reference_is_judged_while_a_file_cannot_be_read(tmp_path, monkeypatch):
    """If the people cannot be read, the agents are not blamed for it."""
    assert mistakes_of(tmp_path, monkeypatch, people="people: [\n") == [
        (
            "people.yaml:2: is not valid YAML (did not find expected node content); check the indentation, "
            "the brackets and the quotes of this line and the one above"
        )
    ]


@pytest.mark.parametrize("owner", ["", "owner: nobody", "owner: bob"])
def test_an_agents_own_owner_never_keeps_the_inventory_from_loading(tmp_path, owner):
    """Missing, unknown or inactive: the agent is loaded as it is written, and refused on traffic."""
    agents = AGENTS.replace("owner: alice", owner, 1)
    loaded = load_inventory(write_inventory(tmp_path, agents=agents))
    assert loaded.inventory.agents["support-bot"].owner == (owner.removeprefix("owner: ") or None)


PROCESS = """\
processes:
  - id: nightly
    owner: alice
    purpose: Closes stale tickets
    trigger: schedule
    reference: "0 3 * * *"
    agents: [support-bot]
    expires: 2027-01-31
    review_due: 2026-12-31
"""

PARTNER = """\
partners:
  - id: acme
    name: Acme
    owner: alice
    contract: contracts/acme.pdf
    ends: 2027-01-31
    issuers: [https://issuer.example]
"""


def test_processes_and_partners_are_read(tmp_path):
    """A business process and a partner stand in the inventory beside the agents that they concern."""
    agents = AGENTS.replace("team: support", "team: support\n    partner: acme")
    loaded = load_inventory(write_inventory(tmp_path, agents=agents, process=PROCESS, partner=PARTNER))
    assert loaded.inventory.processes["nightly"].agents == ("support-bot",)
    assert loaded.inventory.partners["acme"].owner == "alice"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[support-bot]", "[suport-bot]",
         ("process.yaml:7: processes[nightly].agents[0]: `suport-bot` is not an agent in the inventory; "
         "did you mean `support-bot`?")),
        ("owner: alice", "owner: alicia",
         "process.yaml:3: processes[nightly].owner: `alicia` is not a person in the inventory; did you mean `alice`?"),
    ],
)  # fmt: skip
def test_a_process_names_people_and_agents_that_exist(tmp_path, monkeypatch, old, new, expected):
    """A process without an owner, or for agents that nobody knows, is a mistake of the inventory."""
    assert mistakes_of(tmp_path, monkeypatch, process=PROCESS.replace(old, new)) == [expected]


def test_what_a_partner_hosts_shows_only_what_the_partner_issues(tmp_path, monkeypatch):
    """An agent of a partner with an identity of anybody else would let that one be the partner's agent."""
    agents = AGENTS.replace("team: support", "team: support\n    partner: acme")
    partner = PARTNER.replace("https://issuer.example", "https://acme.example")
    assert mistakes_of(tmp_path, monkeypatch, agents=agents, partner=partner) == [
        ("agents.yaml:11: agents[support-bot].identities[0].issuer: is not among the issuers of the partner `acme`")
    ]


def test_a_template_of_instances_says_where_they_differ(tmp_path, monkeypatch):
    """A template without its placeholder would take every copy for one."""
    agents = AGENTS + "    instances:\n      - {issuer: 'spiffe://prod', subject: 'spiffe://prod/agent/bot'}\n"
    assert mistakes_of(tmp_path, monkeypatch, agents=agents) == [
        (
            "agents.yaml:13: agents[support-bot].instances[0].subject: must hold `{instance}` once, "
            "where the subjects of the copies differ"
        )
    ]


@pytest.mark.parametrize(
    ("line", "trust", "expected"),
    [
        ("agent: suport-bot", "internal",
         ("services.yaml:6: services[crm].agent: `suport-bot` is not an agent in the inventory; "
          "did you mean `support-bot`?")),
        ("agent: support-bot", "public",
         ("services.yaml:6: services[crm].agent: is for services of `trust: internal`; "
          "no other one is told of its calls")),
        ("client_keys: [{kty: OKP, crv: Ed25519, kid: one, x: AAAA}]", "public",
         ("services.yaml:6: services[crm].client_keys: is for services of `trust: internal`; "
          "no other one is told of its calls")),
    ],
)  # fmt: skip
def test_the_agent_behind_a_service_exists_and_the_service_is_ours(tmp_path, monkeypatch, line, trust, expected):
    """Only a service of our own house is told of its calls, so only there can an agent go on with them."""
    services = SERVICES.replace("    trust: internal\n", f"    trust: {trust}\n    {line}\n")
    assert mistakes_of(tmp_path, monkeypatch, services=services) == [expected]
    good = SERVICES.replace("    trust: internal\n", "    trust: internal\n    agent: support-bot\n")
    assert load_inventory(write_inventory(tmp_path, services=good)).inventory.services["crm"].agent == "support-bot"


BEHIND = "    trust: internal\n    agent: support-bot\n    onward: {get_customer: [crm/get_customer], '*': [crm/*]}\n"
NO_TOOL = "is not a tool in the inventory: write `service/tool`, or `service/*`"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("onward: {refund: [crm/*]}", ".refund: `refund` is not a tool of `crm`; `*` stands for all of them"),
        ("onward: {'*': [crm/refund]}", f".*[0]: `crm/refund` {NO_TOOL}"),
        ("onward: {'*': [crm/*, bank/*]}", f".*[1]: `bank/*` {NO_TOOL}"),
        ("onward: {'*': ['*']}", f".*[0]: `*` {NO_TOOL}"),
        ("onward: {'*': [crm/]}", f".*[0]: `crm/` {NO_TOOL}"),
    ],
)
def test_a_service_goes_on_to_tools_that_there_are(tmp_path, monkeypatch, now, expected):
    """A name that nothing has would hand nothing on, in silence."""
    services = SERVICES.replace("    trust: internal\n", BEHIND)
    assert load_inventory(write_inventory(tmp_path, services=services)).inventory.services["crm"].onward == {
        "get_customer": ("crm/get_customer",), "*": ("crm/*",),
    }  # fmt: skip
    wrong = re.sub("onward: .*", now, services)
    (mistake,) = mistakes_of(tmp_path, monkeypatch, services=wrong)
    assert mistake.partition("onward")[2] == expected


def test_without_an_agent_behind_it_nobody_goes_on(tmp_path, monkeypatch):
    """Tools to go on to are said of the agent that does."""
    services = SERVICES.replace("    trust: internal\n", BEHIND.replace("    agent: support-bot\n", ""))
    assert mistakes_of(tmp_path, monkeypatch, services=services) == [
        "services.yaml:6: services[crm].onward: says what the `agent` behind the service goes on to; name that agent"
    ]


SHOWN = "    identities: [{issuer: https://idp, subject: bot}]\n"


def test_a_person_and_a_copy_of_an_agent_cannot_share_a_name(tmp_path, monkeypatch):
    """At one issuer; neither of the two could ever show itself, and which one it is would be anybody's guess."""
    people = PEOPLE.replace("  - id: alice\n", "  - id: alice\n" + SHOWN.replace("bot", "bot-7"), 1)
    copies = "    instances: [{issuer: https://idp, subject: 'bot-{instance}'}]\n"
    (mistake,) = mistakes_of(tmp_path, monkeypatch, agents=AGENTS + copies, people=people)
    assert "agents[support-bot].instances[0].subject: would also be `alice`" in mistake
    elsewhere = copies.replace("https://idp", "https://other")
    assert load_inventory(write_inventory(tmp_path, agents=AGENTS + elsewhere, people=people)).inventory.agents


def test_a_client_is_said_of_agents_and_not_of_people(tmp_path, monkeypatch):
    """A person signs in at many applications; an agent is one."""
    named = SHOWN.replace("bot}", "bot, client_id: app}")
    agents = AGENTS.replace("subject: bot-1}", "subject: bot-1, client_id: app}")
    loaded = load_inventory(write_inventory(tmp_path, agents=agents))
    assert loaded.inventory.agents["support-bot"].identities[0].client_id == "app"
    people = PEOPLE.replace("  - id: alice\n", "  - id: alice\n" + named, 1)
    (mistake,) = mistakes_of(tmp_path, monkeypatch, people=people)
    assert "people[alice].identities[0].client_id: is for agents and processes" in mistake
