"""What newer files take away of what somebody proves themselves by."""

from datetime import date

import pytest

from proxy.facts import Agent, Instances, Inventory, Person, Process, Subject
from proxy.inventory.narrowing import Narrowed
from proxy.inventory.proofs import without_proofs
from tests.fakes.issuer import jwk

FAR = date(2099, 1, 1)
ONE, TWO = Subject(issuer="https://idp", subject="one"), Subject(issuer="https://idp", subject="two")
COPIES = Instances(issuer="spiffe://prod.example", subject="spiffe://prod.example/bots/{instance}")
KEY = jwk("ES256", "one")


def inventory(*, person: tuple[Subject, ...] = (ONE,), process: tuple[Subject, ...] = (ONE,), **agent) -> Inventory:
    """An agent, a process and a person, each with these."""
    shown = {"identities": (ONE, TWO), "instances": (COPIES,), "client_keys": (KEY,)} | agent
    known = {"purpose": "p", "owner": "olivia", "expires": FAR, "review_due": FAR}
    cron = Process(id="cron", trigger="schedule", reference="x", agents=("bot",), identities=process, **known)
    return Inventory(
        version="v", teams={}, services={}, datasets={}, agents={"bot": Agent(id="bot", **known, **shown)},
        people={"olivia": Person(id="olivia", name="O", identities=person)}, processes={"cron": cron},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ({"identities": (TWO,)}, "identity of agent:bot"),
        ({"instances": ()}, "identity of agent:bot"),
        ({"client_keys": (jwk("ES256", "two"),)}, "identity of agent:bot"),
        ({"process": ()}, "identity of process:cron"),
        ({"person": (TWO,)}, "identity of person:olivia"),
    ],
)
def test_what_is_taken_away_is_gone_and_told(said: dict, lost: str) -> None:
    """The rest stays, and nothing is added; it is another version."""
    now = inventory()
    found = without_proofs(Narrowed(now, ("person:bob",)), inventory(**said))
    assert found.lost == ("person:bob", lost)
    assert found.inventory.version != now.version
    bot, wanted = found.inventory.agents["bot"], now.agents["bot"].model_copy(update=dict.fromkeys(said, ()))
    if lost.endswith("bot"):
        (field,) = said
        assert getattr(bot, field) == tuple(one for one in said[field] if one in getattr(now.agents["bot"], field))
        assert bot.model_copy(update={field: ()}) == wanted
    else:
        assert bot == now.agents["bot"]
        assert found.inventory.processes["cron"].identities == (() if "process" in said else (ONE,))
        assert found.inventory.people["olivia"].identities == (() if "person" in said else (ONE,))


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"identities": (TWO, ONE, Subject(issuer="https://idp", subject="three"))},
        {"identities": (ONE.model_copy(update={"client_id": "c"}), TWO)},
        {"instances": (COPIES.model_copy(update={"owners": {"7": "olivia"}}),)},
        {"client_keys": (KEY | {"kid": "renamed", "use": "sig"},)},
    ],
)
def test_what_is_only_written_otherwise_waits_for_the_whole(said: dict) -> None:
    """In another order, more of it, bound to a client, with owners of copies, under another name."""
    found = Narrowed(inventory())
    assert without_proofs(found, inventory(**said)) is found


def test_who_is_gone_altogether_is_no_matter_of_proofs() -> None:
    """That ends them by itself."""
    found = Narrowed(inventory())
    gone = inventory().model_copy(update={"agents": {}, "people": {}, "processes": {}})
    assert without_proofs(found, gone) is found
