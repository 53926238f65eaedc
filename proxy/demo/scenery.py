"""What the demo is about: its people, its agent, its services, its rules."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

HOSTS = ["crm.demo.internal", "notes.demo.internal", "ledger.demo.internal"]

SETTINGS = """\
version: 1
listen: {proxy: "127.0.0.1:0", gateway: "127.0.0.1:0", control: "127.0.0.1:0"}
state: ./state
inventory: ./inventory
policies: ./policies
control: {operator_may_sign: true}
holds: {inline_wait_seconds: 0}
identity: {token_issuer: "https://countersign.demo.internal"}
downstream: {trust_domain: demo.internal}
"""

INVENTORY = """\
people:
  - {{id: alice, name: Alice Archer, teams: [support]}}    # works with the agent
  - {{id: olivia, name: Olivia Owens, teams: [support]}}   # answers for it
  - {{id: bob, name: Bob Baker, teams: [security]}}
teams:
  - {{id: support}}
  - {{id: security}}
agents:
  - id: support-bot
    owner: olivia           # the one person who answers for it
    team: support
    purpose: answer customers and refund small amounts
    ticket: SUP-7
    environment: production
    expires: {expires}
    review_due: {review}
  - id: refund-checker      # does a part of the work, when it is handed one
    owner: olivia
    team: support
    purpose: compare refunds with the ledger
    ticket: SUP-8
    environment: production
    expires: {expires}
    review_due: {review}
services:
  - id: crm
    owner: bob
    url: https://crm.demo.internal
    connect: 127.0.0.1:{crm}
    ca_bundle: {root}
    allow_private_addresses: true
    trust: internal
    tools:
      - {{name: get_customer, effect: read, route: {{method: GET, path: "/v1/customers/{{customer}}"}}}}
      - {{name: export_customers, effect: read, route: {{method: GET, path: /v1/exports/customers}}}}
      - {{name: list_refunds, effect: read, route: {{method: GET, path: /v1/refunds}}}}
      - {{name: watch_events, effect: read, route: {{method: GET, path: /v1/events}}}}
      - name: create_refund
        effect: pay
        route: {{method: POST, path: /v1/refunds}}
        input_schema:
          type: object
          required: [customer, amount]
          properties: {{customer: {{type: string}}, amount: {{type: integer}}}}
    bindings:
      - {{id: crm-key, secret: "file:{secret}", methods: [GET, POST], paths: ["/v1/*"]}}
  - id: notes
    owner: bob
    protocol: mcp
    url: https://notes.demo.internal/mcp
    connect: 127.0.0.1:{notes}
    ca_bundle: {root}
    allow_private_addresses: true
    trust: internal
    tools:
      - {{name: search_notes, effect: read}}
      - {{name: delete_note, effect: delete}}
  - id: ledger
    owner: bob
    url: https://ledger.demo.internal
    connect: 127.0.0.1:{ledger}
    ca_bundle: {root}
    allow_private_addresses: true
    trust: internal         # so it is told, signed, who is behind each call
    tools:
      - {{name: list_entries, effect: read, route: {{method: GET, path: /v1/entries}}}}
datasets:
  - id: customers
    owner: olivia
    sensitivity: confidential
    labels: [personal]
    selectors: [{{service: crm, tools: [get_customer], access: read}}]
  - id: customer-exports
    owner: olivia
    sensitivity: restricted
    labels: [personal]
    selectors: [{{service: crm, tools: [export_customers], access: read}}]
"""

POLICIES = """\
// Everybody in support, and their agents, may use the tools of the services, but for deleting.
@id("support-tools")
permit (principal, action, resource)
when { resource is Service };

@id("no-deleting")
@reason("notes are kept for the auditor")
forbid (principal, action == Action::"notes/delete_note", resource);

// Refunds above 100.00 want the owner's word, for this exact refund, once.
@id("large-refunds")
@hold("owner")
@expires("15m")
@reason("refunds above 100.00 need sign-off")
forbid (principal, action == Action::"crm/create_refund", resource)
when { context.arguments.amount > 10000 };

// Single customers may be read; bulk exports may not.
@id("read-customers")
permit (principal, action == Action::"read", resource == Dataset::"customers");
"""


def furnish(directory: Path, *, ports: Mapping[str, int], root: Path, secret: Path, today: date) -> Path:
    """The whole configuration for services on these ports, written into this directory: the path of its file."""
    for folder in ("inventory", "policies"):
        (directory / folder).mkdir()
    config = directory / "countersign.yaml"
    config.write_text(SETTINGS)
    (directory / "inventory" / "inventory.yaml").write_text(
        INVENTORY.format(
            **ports,
            root=root,
            secret=secret,
            expires=today + timedelta(days=30),
            review=today + timedelta(days=30),
        )
    )
    (directory / "policies" / "support.cedar").write_text(POLICIES)
    return config
