"""Agents, and what they may act for beside people: business processes, and partners who host agents of their own."""

from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import Field, JsonValue

from proxy.facts.common import Fact, Id, Subject
from proxy.facts.people import Deputy

type AgentClass = Literal["utility", "privileged"]


class Instances(Fact):
    """Many running copies of one agent, each known by its own subject.

    `subject` is that of an identity of this issuer, with `{instance}` in place of one part without `/` or `:`.
    `owners` names who is accountable for an instance, where that is somebody else than the agent's owner.
    """

    issuer: str
    subject: str
    owners: Mapping[str, Id] = Field(default_factory=dict)


class Agent(Fact):
    """A non-human identity. Without `owner` it may be listed, but none of its calls pass.

    `client_keys` are public keys (JWK) with which it may show itself at the token endpoint. `identities` are the
    subjects that evidence may show: of a token issuer, `spiffe://<trust domain>` with the SPIFFE ID, or `unix` with
    `uid=<number>`. An agent of a `partner` is hosted by them, under their contract. `deployment` is the artefact
    that runs, `escalation` whom to ask after the owner, `rollback` how what it does is undone.
    """

    id: Id
    owner: Id | None = None
    technical_owner: Id | None = None
    deputies: tuple[Deputy, ...] = ()
    team: Id | None = None
    partner: Id | None = None
    purpose: str
    ticket: str = ""
    deployment: str = ""
    environment: str = "production"
    trust_zone: Id | None = None
    agent_class: AgentClass = "utility"
    labels: tuple[Id, ...] = ()
    expires: date
    review_due: date
    review_interval_days: int = Field(90, ge=1, le=366)
    escalation: tuple[Id, ...] = ()
    rollback: str = ""
    identities: tuple[Subject, ...] = ()
    instances: tuple[Instances, ...] = ()
    enabled: bool = True
    client_keys: tuple[Mapping[str, JsonValue], ...] = ()


class Process(Fact):
    """A business process that agents act for when no person asked: a schedule, a queue, a webhook.

    `reference` says which one (a cron expression, a queue's name, an endpoint). Only `agents` act for it. `identities`
    are the subjects that the trigger itself shows. It has an owner, an end and a review, as an agent has.
    """

    id: Id
    owner: Id
    purpose: str
    trigger: Literal["schedule", "queue", "webhook"]
    reference: str
    agents: tuple[Id, ...]
    identities: tuple[Subject, ...] = ()
    ticket: str = ""
    expires: date
    review_due: date
    review_interval_days: int = Field(90, ge=1, le=366)
    enabled: bool = True
    # left out where there is none, so that what owners have attested is still what they attested
    deputies: tuple[Deputy, ...] = Field((), exclude_if=lambda value: not value)


class Partner(Fact):
    """An organisation that hosts agents for us. `owner` is our own person who answers for the contract.

    `contract` is where it is filed; it ends with the day before `ends`. Identities of its agents come from `issuers`.
    """

    id: Id
    name: str
    owner: Id
    contract: str
    ends: date
    issuers: tuple[str, ...]
    deputies: tuple[Deputy, ...] = ()
