"""The catalogue as entities: everything that the schema names is filled."""

import re

from policies.cedar import Entities, Schema
from policies.entities import ATTRIBUTES, ancestors, catalogue_entities
from policies.schema import _NOUNS, actions, schema_text
from tests.fakes.starter_catalogue import STARTER


def test_every_entity_fits_the_schema() -> None:
    """Cedar refuses an entity with a missing, misspelt or mistyped attribute."""
    Entities([each.json() for each in catalogue_entities(STARTER)], Schema(schema_text(actions(STARTER).values())))


def test_every_attribute_of_the_schema_is_filled() -> None:
    """The list of known attributes is that of the schema, and each entity has all of them."""
    declared = {
        kind: frozenset(re.findall(r"^  (\w+):", body, re.MULTILINE))
        for kind, body in re.findall(r"^entity (\w+)[^;{]*\{(.*?)^\}", _NOUNS.read_text(), re.MULTILINE | re.DOTALL)
    }
    assert declared == ATTRIBUTES
    for each in catalogue_entities(STARTER):
        assert frozenset(each.attributes) == ATTRIBUTES.get(each.uid[0], frozenset())


def test_groups_are_known() -> None:
    """Teams of agents and people, the service of an API, the effect of a tool."""
    above = ancestors(catalogue_entities(STARTER), actions(STARTER))
    assert above["Agent", "support-bot"] == (("Team", "support"),)
    assert above["Person", "bob"] == (("Team", "security"),)
    assert above["Api", "crm"] == (("Service", "crm"),)
    assert above["Action", "crm/create_refund"] == (("Action", "effect:pay"),)
    assert above["Agent", "admin-bot"] == above["Team", "support"] == ()
