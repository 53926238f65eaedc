"""A small inventory on disk, to load and to spoil."""

from datetime import date
from pathlib import Path

from proxy.inventory.files import take_snapshot
from proxy.inventory.load import Loaded, build
from proxy.inventory.review_dates import Horizon

TODAY = date(2026, 12, 1)
HORIZON = Horizon(TODAY)

PEOPLE = """\
people:
  - id: alice
    name: Alice Adams
    email: alice@example.com
    teams: [support]
  - id: bob
    name: Bob Brown
    active: false
teams:
  - id: support
"""

AGENTS = """\
agents:
  - id: support-bot
    owner: alice
    technical_owner: bob
    team: support
    purpose: Answers customers
    expires: 2027-01-31
    review_due: 2026-12-31
    identities:
      - {issuer: https://issuer.example, subject: bot-1}
    ticket: SUP-1
"""

SERVICES = """\
services:
  - id: crm
    owner: alice
    url: https://crm.example/api
    trust: internal
    tools:
      - name: get_customer
        route: {method: GET, path: "/customers/{id}"}
        effect: read
    bindings:
      - id: crm-key
        secret: env:CRM_KEY
        methods: [GET]
        paths: [/api/customers/*]
datasets:
  - id: customers
    owner: alice
    sensitivity: confidential
    selectors:
      - service: crm
        tools: [get_customer]
        access: read
"""


def write_inventory(folder: Path, **files: str) -> Path:
    """A directory that holds a good inventory, with these files (by stem) added or replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"people": PEOPLE, "agents": AGENTS, "services": SERVICES, **files}
    for stem, content in contents.items():
        (folder / f"{stem}.yaml").write_text(content)
    return folder


def load_inventory(path: Path) -> Loaded:
    """The inventory in this directory or file; raises `ConfigurationError` with every mistake."""
    return build(take_snapshot(path), HORIZON)
