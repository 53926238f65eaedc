"""Inventory, catalogue and policies as one value, or every mistake."""

import pytest

from policies.bundle import Bundle
from policies.mistakes import PolicyMistake, PolicyMistakes
from policies.model import Mode
from proxy.errors import ConfigurationError, Mistake
from proxy.world import build_world, policy_mistakes
from tests.fakes.inventories import load_inventory
from tests.fakes.world import INVENTORY, POLICIES, write_files

GOOD = Bundle({"a.cedar": POLICIES}, "policies")


@pytest.fixture
def loaded(tmp_path):
    write_files(tmp_path, inventory=INVENTORY)
    return load_inventory(tmp_path / "inventory")


def test_a_world_is_of_one_piece(loaded):
    """What can be called is what the inventory says, and the version names both it and the policies."""
    world = build_world(loaded, GOOD, Mode.ENFORCE)
    assert world.inventory is loaded.inventory
    assert world.catalog.service("crm") is loaded.inventory.services["crm"]
    policies, _, catalogue = world.version.partition("/")
    assert policies == GOOD.version
    assert catalogue == world.catalog.version


def test_any_change_is_another_version(loaded, tmp_path):
    """Another policy text, and another inventory: another version each."""
    versions = {build_world(loaded, GOOD, Mode.ENFORCE).version}
    versions.add(build_world(loaded, Bundle({"a.cedar": POLICIES + "// more\n"}), Mode.ENFORCE).version)
    write_files(tmp_path, inventory=INVENTORY.replace("purpose: refunds", "purpose: all"))
    versions.add(build_world(load_inventory(tmp_path / "inventory"), GOOD, Mode.ENFORCE).version)
    assert len(versions) == 3


def test_policies_that_do_not_fit_the_inventory_are_a_mistake(loaded):
    """A policy about an action that no tool has: no world, and the file and line of it."""
    bundle = Bundle(
        {"b.cedar": '@id("x")\nforbid (principal, action == Action::"crm/nothing", resource);\n'}, "policies"
    )
    with pytest.raises(ConfigurationError) as caught:
        build_world(loaded, bundle, Mode.ENFORCE)
    (mistake,) = caught.value.mistakes
    assert (mistake.file, mistake.line) == ("policies/b.cedar", 2)


def test_mistakes_keep_their_place():
    """The policies' mistakes are told in the same form as all others."""
    wrong = PolicyMistakes([PolicyMistake("a.cedar", 3, "@id", "is missing")])
    assert policy_mistakes(wrong) == [Mistake("a.cedar", 3, "@id", "is missing")]
