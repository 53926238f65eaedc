"""The inventory's nouns. Frozen values; `proxy.inventory` reads them, everyone else only looks."""

from proxy.facts.agents import Agent, AgentClass, Deputy, Instances, Partner, Process
from proxy.facts.bindings import (
    AnyBinding,
    AwsSigV4Binding,
    BasicBinding,
    Binding,
    GitHubAppBinding,
    OAuthClient,
    OAuthClientCredentialsBinding,
    Obtained,
    StaticBinding,
    TokenExchangeBinding,
    TokenType,
    VaultBinding,
)
from proxy.facts.common import Fact, Id, Subject
from proxy.facts.inventory import Inventory
from proxy.facts.ownership import Attestation, Held, OwnershipRules, PersonState, accountable, owner_named
from proxy.facts.people import Person, Team
from proxy.facts.services import Dataset, Effect, Protocol, Route, Selector, Service, Tool, Trust

__all__ = [
    "Agent",
    "AgentClass",
    "AnyBinding",
    "Attestation",
    "AwsSigV4Binding",
    "BasicBinding",
    "Binding",
    "Dataset",
    "Deputy",
    "Effect",
    "Fact",
    "GitHubAppBinding",
    "Held",
    "Id",
    "Instances",
    "Inventory",
    "OAuthClient",
    "OAuthClientCredentialsBinding",
    "Obtained",
    "OwnershipRules",
    "Partner",
    "Person",
    "PersonState",
    "Process",
    "Protocol",
    "Route",
    "Selector",
    "Service",
    "StaticBinding",
    "Subject",
    "Team",
    "TokenExchangeBinding",
    "TokenType",
    "Tool",
    "Trust",
    "VaultBinding",
    "accountable",
    "owner_named",
]
