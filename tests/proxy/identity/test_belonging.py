"""What the inventory takes away from a party ends what was shown by it."""

from datetime import date
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.facts import Agent, Instances, Inventory, Person, Subject
from proxy.identity.belonging import require_belonging
from proxy.identity.lineage import name_of, scope_of_client_key
from proxy.identity.subjects import Subjects
from proxy.stages import Proven
from tests.fakes.issuer import ISSUER, NOW, SUBJECT, jwk, private_key

MINE = Subject(issuer=ISSUER, subject=SUBJECT)
KEY = scope_of_client_key("bot", name_of(private_key("ES256", "one").public_key()))


def world(owner: str = "bot", **changes: Any) -> Inventory:
    """The bot and another agent, of which one has the identity; the bot's key; and a person with one of her own."""
    dates = {"expires": date(2099, 1, 1), "review_due": date(2099, 1, 1)}
    agents = {
        name: Agent(id=name, owner="olga", purpose="x", identities=(MINE,) if name == owner else (), **dates)
        for name in ("bot", "other")
    }
    agents["bot"] = agents["bot"].model_copy(update={"client_keys": (jwk("ES256", "one"),)} | changes)
    olga = Person(id="olga", name="Olga", identities=(Subject(issuer=ISSUER, subject="olga"),))
    return Inventory(version="1", people={"olga": olga}, teams={}, agents=agents, services={}, datasets={})


def refused(inventory: Inventory, *scopes: str, **shown: str) -> bool:
    """Whether the bot, with these scopes, and by this evidence, is refused."""
    proven = Proven("bot", "jwt", "c", NOW, NOW + 60, "t", scopes=scopes, **shown)
    try:
        require_belonging(proven, Subjects(inventory))
    except Refused as caught:
        told = caught.refusal
    else:
        return False
    assert (told.status, told.reason, ISSUER in told.detail) == (403, "identity_revoked", False)
    return True


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        (world(), False),
        (world(identities=()), True),
        (world("other"), True),
        (world(identities=(MINE,), enabled=False), False),  # that it does not stand is told in its own words
        (world(instances=(Instances(issuer=ISSUER, subject="{instance}"),)), False),
        (world(partner="gone"), True),
    ],
)
def test_an_identity_counts_while_it_is_this_agent_s(inventory: Inventory, *, expected: bool) -> None:
    """Taken away, given to another agent, or of a partner who is gone: it proves nothing any more."""
    assert refused(inventory, issuer=ISSUER, subject=SUBJECT) is expected


def test_an_identity_that_moves_into_a_template_is_still_the_agent_s() -> None:
    """Another way of writing the same."""
    template = world(identities=(), instances=(Instances(issuer=ISSUER, subject="{instance}"),))
    assert not refused(template, issuer=ISSUER, subject=SUBJECT)


def test_an_identity_that_is_bound_to_a_client_counts_for_that_client_alone() -> None:
    """Also where it was bound only after the token was shown."""
    bound = world(identities=(Subject(issuer=ISSUER, subject=SUBJECT, client_id="c"),))
    for client, expected in (("c", False), ("another", True), ("", True)):
        assert refused(bound, issuer=ISSUER, subject=SUBJECT, client=client) is expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (f"principal:{ISSUER}|{SUBJECT}", False),
        (f"principal:{ISSUER}|olga", False),
        (f"principal:{ISSUER}|nobody", True),
        ("principal:https://other.example|olga", True),
        ("principal:olga", False),
        (f"token:{ISSUER}|nobody", False),
        (KEY, False),
        (KEY + "0", True),
        (KEY.replace("bot", "other"), True),
        (KEY.replace("bot", "nobody"), True),
    ],
    ids=[
        "the agent itself",
        "a person",
        "nobody",
        "a person of another issuer",
        "a person of none",
        "a token",
        "its key",
        "another key",
        "its key at another agent",
        "its key at no agent",
    ],
)
def test_what_is_behind_it_counts_while_it_is_somebody_s(scope: str, *, expected: bool) -> None:
    """A person's account, an agent's, a client's own key: each as the inventory has it now."""
    assert refused(world(), scope) is expected


def test_a_key_that_is_taken_away_ends_what_it_obtained() -> None:
    """Replaced, gone, or become unreadable beside another of its name."""
    for keys in ((jwk("ES256", "two"),), (), (jwk("ES256", "one"), jwk("EdDSA", "one"))):
        assert refused(world(client_keys=keys), KEY)
    assert not refused(world(client_keys=(jwk("ES256", "two"), jwk("ES256", "one") | {"kid": "renamed"})), KEY)
