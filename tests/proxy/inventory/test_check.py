"""Mistakes, and warnings that refuse no file."""

from datetime import date

import pytest

from proxy.facts import OwnershipRules
from proxy.inventory.check import check_inventory
from tests.fakes.inventories import AGENTS, PEOPLE, SERVICES, write_inventory

TODAY = date(2026, 12, 1)


def warnings_of(folder, monkeypatch, environment=("CRM_KEY",), **files: str) -> list[str]:
    monkeypatch.chdir(folder)
    found = check_inventory(write_inventory(folder, **files), TODAY, environment)
    assert found.mistakes == ()
    assert found.loaded is not None
    return [str(warning) for warning in found.warnings]


def test_a_good_inventory_has_neither(tmp_path, monkeypatch):
    """Nothing to say about an inventory in order."""
    assert warnings_of(tmp_path, monkeypatch) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    owner: alice\n", "",
         ("agents.yaml:2: agents[support-bot].owner: all its calls are refused (agent_owner_missing): "
         "name the one person who answers for it")),
        ("owner: alice", "owner: carol",
         ("agents.yaml:3: agents[support-bot].owner: all its calls are refused (agent_owner_unknown): "
         "add this person, or name another owner")),
        ("owner: alice", "owner: bob",
         ("agents.yaml:3: agents[support-bot].owner: all its calls are refused (agent_owner_inactive): "
         "name an active owner")),
        ("expires: 2027-01-31", "expires: 2026-01-31",
         ("agents.yaml:7: agents[support-bot].expires: all its calls are refused (agent_expired): "
         "extend it, or remove the agent")),
        ("review_due: 2026-12-31", "review_due: 2026-11-30",
         ("agents.yaml:8: agents[support-bot].review_due: all its calls are refused (agent_review_overdue): "
         "let its owner attest it (`countersign review`), or set the next date (unless that was done since: "
         "`check` does not look into the store)")),
        ("    owner: alice\n", "    owner: alice\n    enabled: false\n",
         ("agents.yaml:4: agents[support-bot].enabled: all its calls are refused (agent_disabled): "
         "set `enabled: true` when it may call again")),
        ("expires: 2027-01-31", "expires: 2026-12-11",
         "agents.yaml:7: agents[support-bot].expires: is on 2026-12-11, in 10 day(s); then its calls are refused"),
        ("    ticket: SUP-1\n", "",
         ("agents.yaml:2: agents[support-bot].ticket: has neither a `ticket` nor a `deployment`, so nobody can find "
         "out where it comes from; name one")),
        ("review_due: 2026-12-31", "review_due: 2027-03-02",
         ("agents.yaml:8: agents[support-bot].review_due: is in 91 days, longer than `review_interval_days` (90) "
         "without anybody's attestation; set an earlier date "
         "(or bound it by `ownership.longest_review_days`)")),
    ],
)  # fmt: skip
def test_an_agent_that_will_be_refused_is_a_warning(tmp_path, monkeypatch, old, new, expected):
    """Each way to lose standing, and a date that is near, is told with what to do, and refuses no file."""
    assert warnings_of(tmp_path, monkeypatch, agents=AGENTS.replace(old, new, 1)) == [expected]


def test_an_agent_with_a_deployment_needs_no_ticket(tmp_path, monkeypatch):
    """Either says where it comes from."""
    agents = AGENTS.replace("ticket: SUP-1", "deployment: registry/bot@sha256:1")
    assert warnings_of(tmp_path, monkeypatch, agents=agents) == []


def test_secrets_that_are_not_there_are_warnings(tmp_path, monkeypatch):
    """An unset variable or a missing file refuses the calls that need it, so it is told."""
    expected = (
        "services.yaml:12: services[crm].bindings[crm-key].secret: {}; calls that need it are refused until it is"
    )
    assert warnings_of(tmp_path, monkeypatch, environment=()) == [
        expected.format("the variable `CRM_KEY` is not set here")
    ]
    by_file = SERVICES.replace("env:CRM_KEY", "file:key")
    assert warnings_of(tmp_path, monkeypatch, services=by_file) == [expected.format("the file `key` does not exist")]
    (tmp_path / "key").write_text("x")
    assert warnings_of(tmp_path, monkeypatch, services=by_file) == []


def test_owners_who_left_and_datasets_that_match_nothing_are_warnings(tmp_path, monkeypatch):
    """Their calls are refused, or no call would ever be seen to use them."""
    services = SERVICES.replace("owner: alice", "owner: bob").partition("    selectors")[0]
    assert warnings_of(tmp_path, monkeypatch, services=services) == [
        (
            "services.yaml:3: services[crm].owner: `bob` is no longer active, so all calls to it are refused; "
            "name another owner"
        ),
        (
            "services.yaml:17: datasets[customers].owner: `bob` is no longer active, so all calls that touch it are "
            "refused; name another owner"
        ),
        "services.yaml:16: datasets[customers].selectors: has no selectors, so no call is ever seen to use it",
    ]


def test_mistakes_come_without_warnings(tmp_path):
    """What cannot be loaded has mistakes only."""
    found = check_inventory(write_inventory(tmp_path, people=PEOPLE + "x: 1\n"), TODAY, ())
    assert found.loaded is None
    assert len(found.mistakes) == 1
    assert found.warnings == ()


def test_every_reference_of_a_binding_is_looked_at(tmp_path, monkeypatch):
    """Each secret and each bundle of authorities that is not there; a file for each principal cannot be looked at."""
    own = (
        "      - id: crm-key\n        kind: token_exchange\n        token_url: https://idp.example/token\n"
        "        client_id: c\n        secret: env:A\n        subject_token: 'file:/nowhere/{principal}'\n"
        "        actor_token: file:actor\n        audience: [crm]\n        ca_bundle: ca.pem\n"
    )
    services = SERVICES.replace("      - id: crm-key\n        secret: env:CRM_KEY\n", own)
    later = "; calls that need it are refused until it is"
    assert warnings_of(tmp_path, monkeypatch, services=services, environment=()) == [
        f"services.yaml:17: services[crm].bindings[crm-key].actor_token: the file `actor` does not exist{later}",
        f"services.yaml:19: services[crm].bindings[crm-key].ca_bundle: the file `ca.pem` does not exist{later}",
        f"services.yaml:15: services[crm].bindings[crm-key].secret: the variable `A` is not set here{later}",
    ]


MORE = """\
agents:
  - id: far-bot
    owner: bob
    deputies: [{person: alice, start: 2020-01-01, end: 2099-01-01}]
    purpose: p
    ticket: T-1
    partner: acme
    expires: 2099-01-01
    review_due: 2099-01-01
  - id: root-bot
    owner: alice
    purpose: p
    ticket: T-1
    agent_class: privileged
    expires: 2099-01-01
    review_due: 2099-01-01
    instances: [{issuer: "https://i", subject: "x:{instance}", owners: {eu: bob}}]
processes:
  - {id: night, owner: alice, purpose: p, trigger: schedule, reference: "0 3 * * *", agents: [root-bot],
     expires: 2099-01-01, review_due: 2026-11-30}
  - {id: queue, owner: alice, purpose: p, trigger: queue, reference: q, agents: [root-bot],
     expires: 2099-01-01, review_due: 2028-01-01}
partners:
  - {id: acme, name: Acme, owner: alice, contract: C-1, ends: 2026-12-10, issuers: ["https://acme"]}
"""
BOTH = [
    ("agents[root-bot].instances[0].owners.eu", "`bob` is no longer active, so calls of this instance are refused; "),
    ("agents[root-bot].agent_class", "all its calls are refused (agent_unattested): let its owner attest it as priv"),
]
LATE = ("processes[queue].review_due", "is in 396 days, longer than `review_interval_days` (90) without anybody")
ENDS = ("partners[acme].ends", "is on 2026-12-10, in 9 day(s); then its calls are refused")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            OwnershipRules(),
            [
                ("agents[far-bot].owner", "all its calls are refused (agent_owner_inactive): name an active owner"),
                *BOTH,
                ("processes[night].review_due", "no agent may act for it (process_review_overdue): let its owner"),
                LATE,
                ENDS,
            ],
        ),
        (
            OwnershipRules(when_owner_leaves="deputy", review_overdue="hold"),
            [
                ("agents[far-bot].owner", "`bob` is no longer active; its deputy `alice` answers for it until then; "),
                ("agents[far-bot].review_due", "is in 26329 days, longer than `review_interval_days` (90) without "),
                *BOTH,
                ("processes[night].review_due", "every one of its calls waits for a person (process_review_overdue): "),
                LATE,
                ENDS,
            ],
        ),
    ],
    ids=["strict", "lenient"],
)
def test_everything_that_has_an_owner_is_looked_at(tmp_path, rules, said):
    """Deputies, instances, privileged agents, processes and partners, by the rules of the settings."""
    path = write_inventory(tmp_path, people=PEOPLE)
    for file in path.glob("*.yaml"):
        if file.name != "people.yaml":
            file.unlink()
    (path / "more.yaml").write_text(MORE)
    found = check_inventory(path, TODAY, (), rules=rules)
    assert found.mistakes == ()
    wanted = [text for _, text in said]
    told = [(one.field, one.text[: len(text)]) for one, text in zip(found.warnings, wanted, strict=True)]
    assert told == said


def test_documents_of_sources_are_checked_too(tmp_path):
    """What one of them claims again is a mistake."""
    path = write_inventory(tmp_path / "inventory", people=PEOPLE)
    document = tmp_path / "cmdb.json"
    document.write_text('{"people": [{"id": "alice", "name": "Another"}]}')
    found = check_inventory(path, TODAY, (), [document])
    assert [mistake.field for mistake in found.mistakes] == ["people[alice].id"]
