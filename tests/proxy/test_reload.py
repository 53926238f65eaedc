"""A good edit comes into force whole and on record; a bad one changes nothing, and is told once."""

import asyncio
import contextlib
import json
from datetime import date

import pytest

from policies.model import Mode
from proxy import reload as module
from proxy.errors import ConfigurationError
from proxy.facts import Held, OwnershipRules, accountable
from proxy.inventory.watch import RESTLESS
from proxy.reload import Departed, Keeper
from telemetry.errors import AuditUnavailable
from tests.conformance.ownership_store import attestation
from tests.fakes.waiting import until
from tests.fakes.world import INVENTORY, POLICIES, write_files

NEW_TOOL = INVENTORY.replace(
    "{name: delete_note, effect: delete}", "{name: delete_note, effect: delete}, {name: archive, effect: write}"
)
NO_ARCHIVE = '@id("no-archive")\nforbid (principal, action == Action::"notes/archive", resource);\n'
WITHOUT_DELETING = INVENTORY.replace(", {name: delete_note, effect: delete}", "")
DELETING = '@id("no-deleting")\nforbid (principal, action == Action::"notes/delete_note", resource);\n'
NOT_ABOUT_DELETING = POLICIES.replace(DELETING, "")


class House:
    """A keeper over files, and a log that can refuse."""

    def __init__(self, folder):
        self.folder = folder
        write_files(folder, inventory=INVENTORY, policies=POLICIES)
        self.keeper = Keeper(folder / "inventory", folder / "policies", Mode.ENFORCE, lambda: 5.0)
        self.records = []
        self.broken = False

    async def record(self, record):
        if self.broken:
            raise AuditUnavailable("full")
        self.records.append(record)

    def write(self, **files):
        write_files(self.folder, **files)

    def policies(self):
        return (self.folder / "policies" / "support.cedar").read_text()

    def look(self, times=3):
        async def main():
            for _ in range(times):
                await self.keeper.poll(self.record)

        asyncio.run(main())

    def types(self):
        return [record["type"] for record in self.records]


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_nothing_is_told_while_nothing_changes(house):
    """Looking at the same files changes nothing and records nothing."""
    before = house.keeper.world
    house.look(5)
    assert house.keeper.world is before
    assert house.records == []


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        ({"policies": POLICIES + "// a remark\n"}, "policy.changed"),
        ({"inventory": INVENTORY.replace("purpose: refunds", "purpose: all")}, "inventory.changed"),
    ],
)
def test_a_good_edit_is_in_force_and_on_record(house, edit, kind):
    """The new world is in force as a whole, and the log knows from which version to which."""
    before = house.keeper.world
    house.write(**edit)
    house.look()
    after = house.keeper.world
    assert after is not before
    (record,) = house.records
    assert (record["type"], record["at"]) == (kind, 5.0)
    assert (record["change"]["before"], record["change"]["after"]) == (before.version, after.version)


@pytest.mark.parametrize(
    ("edit", "what", "words"),
    [
        ({"policies": "permit (principal, action,"}, "policies", "support.cedar"),
        ({"policies": POLICIES.replace("crm/create_refund", "crm/pay")}, "policies", "crm/pay"),
        ({"inventory": INVENTORY.replace("owner: bob", "owner: nobody")}, "inventory", "nobody"),
        ({"inventory": INVENTORY.replace("name: create_refund", "name: pay")}, "inventory", "crm/create_refund"),
    ],
)
def test_a_bad_edit_keeps_the_last_good_world(house, edit, what, words, caplog):
    """What cannot be used is told once, in the log and to the operator; mended, that is told once too."""
    before = house.keeper.world
    house.write(**edit)
    house.look(6)
    assert house.keeper.world is before
    (record,) = house.records
    assert (record["type"], record["change"]["what"]) == ("config.mistake", what)
    assert words in " ".join(record["change"]["details"])
    assert caplog.text.count("not in force") == len(record["change"]["details"])
    house.write(inventory=INVENTORY, policies=POLICIES)
    house.look(6)
    assert house.keeper.world is before
    assert caplog.text.count(f"{what} can be used again") == 1
    assert len(house.records) == 1


def test_of_very_many_mistakes_the_first_are_told(house, caplog):
    """A file that is gone is one mistake for each entry that names something in it: the log says how many."""
    house.write(inventory=INVENTORY + "".join(f"  - {{id: no {n}}}\n" for n in range(50)))
    house.look()
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 21
    assert told[-1].startswith("and ")
    assert len(house.keeper.mistakes()["inventory"]) > 21
    house.write(inventory=INVENTORY)
    house.look()
    assert house.keeper.mistakes() == {"inventory": (), "policies": ()}


def test_another_mistake_is_told_anew(house):
    """A bad edit after a bad edit is another mistake."""
    for text in ("nonsense", "permit (principal, action, resource)\nwhen { nonsense };"):
        house.write(policies=text)
        house.look()
    assert house.types() == ["config.mistake"] * 2


@pytest.mark.parametrize("first", ["inventory", "policies", "both"])
def test_a_policy_about_a_new_tool_comes_with_it(house, first):
    """A tool and the policy about it, written in any order: both in force in the end."""
    edits = {"inventory": NEW_TOOL, "policies": POLICIES + NO_ARCHIVE}
    if first != "both":
        house.write(**{first: edits.pop(first)})
        house.look()
    house.write(**edits)
    house.look()
    assert house.keeper.world.catalog.tool_for("notes", "archive") is not None
    assert "no-archive" in house.keeper._bundle.sources["support.cedar"]
    if first == "both":
        assert house.types() == ["policy.changed", "inventory.changed"]


@pytest.mark.parametrize("first", ["inventory", "policies"])
def test_a_tool_goes_with_the_policy_about_it(house, first):
    """A tool that a policy names cannot go before the policy; once both are gone, both are."""
    edits = {"inventory": WITHOUT_DELETING, "policies": NOT_ABOUT_DELETING}
    house.write(**{first: edits.pop(first)})
    house.look()
    house.write(**edits)
    house.look()
    assert house.keeper.world.catalog.tool_for("notes", "delete_note") is None
    assert "no-deleting" not in house.keeper._bundle.sources["support.cedar"]


@pytest.mark.parametrize("first", ["inventory", "policies"])
def test_edits_that_fit_only_each_other_come_into_force_together(house, first):
    """Neither the new inventory fits the old policies, nor the new policies the old inventory: both, or none."""
    edits = {
        "inventory": NEW_TOOL.replace("{name: delete_note, effect: delete}, ", ""),
        "policies": NOT_ABOUT_DELETING + NO_ARCHIVE,
    }
    before = house.keeper.world
    house.write(**{first: edits.pop(first)})
    house.look()
    assert house.keeper.world is before
    house.write(**edits)
    house.look()
    catalog = house.keeper.world.catalog
    assert catalog.tool_for("notes", "delete_note") is None
    assert catalog.tool_for("notes", "archive") is not None
    assert house.types() == ["config.mistake", "policy.changed", "inventory.changed"]


def test_half_a_policy_file_is_never_in_force(house):
    """A file that is being written is not believed at first sight: the part that forbids may still be missing."""
    before = house.keeper.world
    house.write(policies=POLICIES[: POLICIES.index('@id("no-deleting")')])
    house.look(1)
    house.write(policies=POLICIES)
    house.look(3)
    assert house.keeper.world is before
    assert house.records == []


def test_files_that_never_come_to_rest_are_told_and_hide_no_end(house):
    """That nothing can be edited is on record once; whom a file beside says to be inactive, is."""
    house.write(inventory=LEFT)
    beside, policy = house.folder / "inventory" / "zz.yaml", house.folder / "policies" / "zz.cedar"
    for number in range(RESTLESS * 2):
        beside.write_text(f"# {number}\n")
        policy.write_text(f"// {number}\n")
        house.look(1)
    assert not active(house)
    assert house.types().count("config.mistake") == 2
    policy.unlink()
    house.write(inventory=INVENTORY)
    house.look()
    assert active(house)


def test_what_cannot_be_recorded_waits(house):
    """With the log full neither an edit nor a mistake is lost: it waits, and comes when the log works again."""
    before = house.keeper.world
    house.broken = True
    house.write(policies=POLICIES + "// a remark\n")
    with pytest.raises(AuditUnavailable):
        house.look()
    assert house.keeper.world is before
    house.broken = False
    house.look()
    assert house.types() == ["policy.changed"]
    house.broken = True
    house.write(policies="nonsense")
    with pytest.raises(AuditUnavailable):
        house.look()
    house.broken = False
    house.look()
    assert house.types() == ["policy.changed", "config.mistake"]


def test_policies_that_are_gone_change_nothing(house):
    """Removing the directory is a mistake, not an empty set of rules."""
    before = house.keeper.world
    (house.folder / "policies").rename(house.folder / "elsewhere")
    house.look()
    assert house.keeper.world is before
    assert house.types() == ["config.mistake"]
    (house.folder / "elsewhere").rename(house.folder / "policies")
    house.look()
    assert house.keeper.world is before


def test_there_must_be_something_to_begin_with(tmp_path):
    """Without a good inventory and good policies there is no keeper, and every mistake is named."""
    write_files(tmp_path, inventory=INVENTORY, policies="nonsense")
    with pytest.raises(ConfigurationError, match=r"support\.cedar"):
        Keeper(tmp_path / "inventory", tmp_path / "policies", Mode.ENFORCE, lambda: 0.0)
    write_files(tmp_path, inventory=INVENTORY.replace("name: create_refund", "name: pay"), policies=POLICIES)
    with pytest.raises(ConfigurationError, match="crm/create_refund"):
        Keeper(tmp_path / "inventory", tmp_path / "policies", Mode.ENFORCE, lambda: 0.0)


def test_watching_goes_on_whatever_the_log_says(house, monkeypatch, caplog):
    """The watcher sees an edit by itself, outlives a log that is full, and ends when told."""
    for name in ("LOOK_SECONDS", "SETTLE_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(module, name, 0.001)

    async def main():
        house.broken = True
        watching = asyncio.create_task(house.keeper.watch(house.record))
        house.write(policies=POLICIES + "// a remark\n")
        await until(lambda: "waits until the audit log" in caplog.text)
        house.broken = False
        await until(lambda: house.types() == ["policy.changed"])
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    asyncio.run(main())


# --- what the store holds, and documents from elsewhere -------------------------------------------------


def test_what_is_held_is_in_force_at_once_and_seen_by_policies_after(house):
    """A deactivated person is inactive when `hold` returns; the policies are compiled anew by the next poll."""
    before = house.keeper.world
    house.keeper.hold(Held(deactivated=frozenset({"olivia"})))
    now = house.keeper.world
    assert not now.inventory.people["olivia"].active
    assert now.engine is before.engine
    assert now.inventory is not before.inventory
    house.look(1)
    after = house.keeper.world
    assert after.engine is not before.engine
    assert after.version != before.version
    assert not after.inventory.people["olivia"].active
    house.look(2)
    assert house.keeper.world is after
    house.keeper.hold(Held())
    house.look(1)
    assert house.keeper.world.version == before.version
    assert house.records == []


def test_an_attestation_compiles_nothing(house):
    """It is in force with the very same policies."""
    before = house.keeper.world
    house.keeper.hold(Held(attestations={"agent:support-bot": attestation("a1", "agent:support-bot")}))
    house.look()
    assert house.keeper.world.engine is before.engine
    assert house.keeper.world.inventory.attestations["agent:support-bot"].id == "a1"


def test_an_edit_keeps_what_is_held(house):
    """Whoever is deactivated stays so under other files, also if that happens while they are being loaded."""
    house.keeper.hold(Held(deactivated=frozenset({"olivia"})))
    house.write(inventory=INVENTORY.replace("purpose: refunds", "purpose: all"))

    async def main():
        async def record(record):
            house.keeper.hold(Held(deactivated=frozenset({"olivia", "bob"})))
            house.records.append(record)

        for _ in range(3):
            await house.keeper.poll(record)

    asyncio.run(main())
    world = house.keeper.world
    assert world.inventory.agents["support-bot"].purpose == "all"
    assert [name for name, one in world.inventory.people.items() if not one.active] == ["olivia", "bob"]
    assert house.types() == ["inventory.changed"]


def test_who_leaves_the_last_of_their_team_does_not_stop_the_watching_of_files(house):
    """A sign-off that nobody is left to give is no mistake of the files: edits go on coming into force."""
    house.write(policies=POLICIES.replace('@hold("owner")', '@hold("team:security")'))
    house.look()
    house.keeper.hold(Held(deactivated=frozenset({"bob"})))
    house.look()
    assert not house.keeper.world.inventory.people["bob"].active
    house.write(
        inventory=INVENTORY.replace("purpose: refunds", "purpose: all"), policies=house.policies() + "// a remark\n"
    )
    house.look()
    assert house.keeper.world.inventory.agents["support-bot"].purpose == "all"
    assert house.types() == ["policy.changed", "policy.changed", "inventory.changed"]


DOCUMENT = b'{"people": [{"id": "zoe", "name": "Zoe"}]}'


def test_documents_beside_the_files_are_the_same_inventory(tmp_path):
    """What one brings is in force with the rest; an id that both claim is a mistake; one that is gone says nothing."""
    write_files(tmp_path, inventory=INVENTORY, policies=POLICIES)
    path = tmp_path / "cmdb.json"
    keeper = Keeper(tmp_path / "inventory", tmp_path / "policies", Mode.ENFORCE, lambda: 5.0, None, [path])
    records = []

    async def record(one):
        records.append(one)

    async def main():
        assert await keeper.try_documents({path: DOCUMENT}) == ()
        assert "zoe" not in keeper.world.inventory.people
        (twice,) = await keeper.try_documents({path: DOCUMENT.replace(b"zoe", b"alice")})
        assert twice.field == "people[alice].id"
        assert "is here again, first in " in twice.text
        wrong = await keeper.try_documents({path: b'{"agents": [{"id": "x", "owner": 7}]}'})
        assert {mistake.field.partition(".")[0] for mistake in wrong} == {"agents[x]"}
        path.write_bytes(DOCUMENT)
        for _ in range(3):
            await keeper.poll(record)
        assert "zoe" in keeper.world.inventory.people
        assert keeper.loaded.reading.people["zoe"].document.file.endswith("cmdb.json")
        path.write_bytes(DOCUMENT.replace(b"zoe", b"alice"))
        for _ in range(3):
            await keeper.poll(record)
        assert "zoe" in keeper.world.inventory.people

    asyncio.run(main())
    assert [one["type"] for one in records] == ["inventory.changed", "config.mistake"]


def test_a_document_is_judged_beside_good_files_while_the_files_have_mistakes(tmp_path):
    """Somebody's half-done edit elsewhere is not the document's fault."""
    write_files(tmp_path, inventory=INVENTORY, policies=POLICIES)
    path = tmp_path / "cmdb.json"
    keeper = Keeper(tmp_path / "inventory", tmp_path / "policies", Mode.ENFORCE, lambda: 5.0, None, [path])
    write_files(tmp_path, inventory=INVENTORY + "nonsense: 7\n")
    assert asyncio.run(keeper.try_documents({path: DOCUMENT})) == ()
    assert asyncio.run(keeper.try_documents({path: DOCUMENT.replace(b"zoe", b"alice")})) != ()


def test_a_document_or_an_edit_that_puts_a_review_off_gives_nothing(tmp_path):
    """By its own interval, or by the house's: it is not kept, and the last good inventory stays in force."""
    path, records = tmp_path / "cmdb.json", []
    rules = OwnershipRules(longest_review_days=180)
    near = INVENTORY.replace("review_due: 2099-01-01", "review_due: 1970-01-09")
    write_files(tmp_path, inventory=near, policies=POLICIES)
    keeper = Keeper(tmp_path / "inventory", tmp_path / "policies", Mode.ENFORCE, lambda: 5.0, rules, [path])

    async def record(one):
        records.append(one["type"])

    async def main():
        for due, more in (("1970-07-01", {}), ("1970-02-01", {"review_interval_days": 30})):
            bot = {"id": "bot", "owner": "bob", "purpose": "p", "expires": "2099-01-01", "review_due": due, **more}
            (mistake,) = await keeper.try_documents({path: json.dumps({"agents": [bot]}).encode()})
            assert "further away than" in mistake.text
        write_files(tmp_path, inventory=INVENTORY)
        for _ in range(3):
            await keeper.poll(record)

    asyncio.run(main())
    assert records == ["config.mistake"]
    assert str(keeper.world.inventory.agents["support-bot"].review_due) == "1970-01-09"


def test_a_document_that_the_policies_do_not_fit_is_a_mistake(tmp_path):
    """It would change nothing for the better, and keep us from starting."""
    write_files(tmp_path, inventory=INVENTORY, policies=POLICIES)
    path = tmp_path / "cmdb.json"
    service = {"services": [{"id": "wiki", "owner": "bob", "url": "https://wiki.test", "tools": [
        {"name": "x", "route": {"method": "GET", "path": "/x/{"}}]}]}  # fmt: skip
    keeper = Keeper(tmp_path / "inventory", tmp_path / "policies", Mode.ENFORCE, lambda: 5.0, None, [path])
    assert asyncio.run(keeper.try_documents({path: json.dumps(service).encode()})) != ()


# --- what an edit takes away ----------------------------------------------------------------------------

LEFT = INVENTORY.replace("name: Olivia Owens", "name: Olivia Owens, active: false")
RENAMED = "name: create_refund", "name: pay"  # a policy names it: such an inventory does not fit


def active(house, person="olivia"):
    return house.keeper.world.inventory.people[person].active


def ended(house):
    """What was told of ends, in order."""
    return [(one["change"]["kind"], one["change"]["details"]) for one in house.records if "kind" in one["change"]]


def test_who_has_left_is_gone_before_anything_is_compiled(house, monkeypatch):
    """The old world with less in it is in force, and on record, while the new one is being built."""
    before, seen = house.keeper.world, []

    def build(*parts):
        seen.append((active(house), house.keeper.world.engine is before.engine, ended(house)))
        return real(*parts)

    real = module._build
    monkeypatch.setattr(module, "_build", build)
    house.write(inventory=LEFT)
    house.look()
    assert seen == [(False, True, [("ended", ["person:olivia"])])]
    assert house.types() == ["inventory.changed"] * 2
    assert house.records[1]["change"]["after"] == house.keeper.world.version
    house.write(inventory=INVENTORY)
    house.look()
    assert active(house)
    assert house.types() == ["inventory.changed"] * 3


def test_what_is_taken_away_does_not_wait_for_what_does_not_fit(house):
    """An edit that policies do not fit gives nothing, and still ends whom it says; taken back, they are back."""
    first = house.keeper.world.version
    house.write(inventory=LEFT.replace(*RENAMED).replace("id: other-bot, owner: olivia", "id: other-bot, owner: bob"))
    house.look()
    world = house.keeper.world
    assert not active(house)
    assert world.inventory.agents["other-bot"].owner == "olivia"
    assert world.catalog.tool_for("crm", "pay") is None
    assert world.inventory.version == house.keeper._compiled, "policies see it too"
    assert house.types() == ["inventory.changed", "config.mistake"]
    house.keeper.hold(Held(deactivated=frozenset({"bob"})))
    assert not active(house)
    house.write(inventory=INVENTORY)
    house.keeper.hold(Held())
    house.look()
    assert active(house)
    assert ended(house) == [("ended", ["person:olivia"]), ("restored", [])]
    assert house.keeper.world.version == first


def test_an_identity_that_is_taken_away_does_not_wait_for_what_does_not_fit(house):
    """It proves nobody from here on, as somebody who has left; on record, and back when the edit is taken back."""
    owned = "id: other-bot, owner: olivia"
    known = INVENTORY.replace(owned, f"{owned}, identities: [{{issuer: https://idp, subject: other}}]")
    house.write(inventory=known)
    house.look()
    assert house.keeper.world.inventory.agents["other-bot"].identities
    house.write(inventory=INVENTORY.replace(*RENAMED))
    house.look()
    assert house.keeper.world.catalog.tool_for("crm", "pay") is None
    assert house.keeper.world.inventory.agents["other-bot"].identities == ()
    house.write(inventory=known)
    house.look()
    assert house.keeper.world.inventory.agents["other-bot"].identities
    assert ended(house) == [("ended", ["identity of agent:other-bot"]), ("restored", [])]


@pytest.mark.parametrize("heir", ["bob", "zoe"])
def test_what_an_edit_hands_over_goes_on_while_it_is_put_in_force(house, monkeypatch, heir):
    """Its owner has left and the next one answers, in one edit: at no moment does nobody answer for the agent.

    That may be somebody who joins by the same edit.
    """
    seen = []

    def build(*parts):
        inventory = house.keeper.world.inventory
        bot = inventory.agents["other-bot"]
        answers = accountable(bot, inventory, date(1970, 1, 1))
        seen.append((inventory.people["olivia"].active, answers and answers.id))
        return real(*parts)

    real = module._build
    monkeypatch.setattr(module, "_build", build)
    joined = LEFT.replace("people:\n", "people:\n  - {id: zoe, name: Zoe Zorn}\n")
    house.write(inventory=joined.replace("id: other-bot, owner: olivia", f"id: other-bot, owner: {heir}"))
    house.look()
    assert seen == [(False, heir)]
    assert house.keeper.world.inventory.agents["other-bot"].owner == heir


def test_what_is_handed_to_somebody_new_falls_if_the_edit_cannot_be_used(house):
    """An edit that policies do not fit adds nobody: who has left has left, and nobody answers in their stead."""
    joined = LEFT.replace("people:\n", "people:\n  - {id: zoe, name: Zoe Zorn}\n").replace(*RENAMED)
    house.write(inventory=joined.replace("id: other-bot, owner: olivia", "id: other-bot, owner: zoe"))
    house.look()
    inventory = house.keeper.world.inventory
    assert "zoe" not in inventory.people
    assert accountable(inventory.agents["other-bot"], inventory, date(1970, 1, 1)) is None


@pytest.mark.parametrize("gone", ["owner: olivia, team", "team"])
def test_an_agent_that_files_no_longer_let_stand_is_refused_at_once(house, gone):
    """Without an owner, or without its entry, although a policy does not fit the rest."""
    line = next(line for line in INVENTORY.splitlines() if "id: support-bot" in line)
    edit = line.replace("owner: olivia, ", "") if gone != "team" else ""
    house.write(inventory=INVENTORY.replace(line, edit).replace(*RENAMED))
    house.look()
    bot = house.keeper.world.inventory.agents["support-bot"]
    assert (bot.owner, bot.enabled) == ((None, True) if edit else ("olivia", False))
    assert ended(house) == [("ended", ["agent:support-bot"])]


def test_who_is_said_to_be_inactive_is_so_beside_mistakes_until_all_is_well(house):
    """Another edit with mistakes that no longer says it brings nobody back; who is merely gone has not left."""
    house.write(inventory=LEFT.replace("owner: bob", "owner: nobody"))
    house.look()
    assert not active(house)
    house.write(inventory="people: [")
    house.look()
    assert not active(house)
    house.write(inventory=INVENTORY.replace("  - {id: bob, name: Bob Baker, teams: [security]}\n", ""))
    house.look()
    assert (active(house), active(house, "bob")) == (False, True)
    house.write(inventory=INVENTORY)
    house.look()
    assert active(house)
    assert ended(house) == [("ended", ["person:olivia"]), ("restored", [])]


def test_half_a_file_ends_nobody(house):
    """What is being written is believed in neither direction, even if each half would be valid by itself."""
    for text in (LEFT, "", LEFT, INVENTORY):
        house.write(inventory=text)
        house.look(1)
    house.look()
    assert active(house)
    assert house.records == []


def test_an_end_does_not_wait_for_the_log(house):
    """With the log full it is in force, and told when the log works again; what is given back waits for the log."""
    house.broken = True
    house.write(inventory=LEFT.replace(*RENAMED))
    with pytest.raises(AuditUnavailable):
        house.look()
    assert not active(house)
    house.broken = False
    house.look()
    assert ended(house) == [("ended", ["person:olivia"])]
    house.broken = True
    house.write(inventory=INVENTORY)
    with pytest.raises(AuditUnavailable):
        house.look()
    house.keeper.hold(Held())
    assert not active(house)
    house.broken = False
    house.look()
    assert active(house)


def test_an_edit_is_seen_although_the_file_system_says_nothing(house, monkeypatch):
    """The files are read now and then, whatever their marks: those of another machine may be old."""
    monkeypatch.setattr(module, "marks", lambda _: ())
    for name in ("LOOK_SECONDS", "SETTLE_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(module, name, 0.001)

    async def main():
        watching = asyncio.create_task(house.keeper.watch(house.record))
        house.write(inventory=LEFT)
        await until(lambda: house.types() == ["inventory.changed"] * 2)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    asyncio.run(main())
    assert not active(house)


def test_files_that_stay_as_they_are_are_not_read_at_each_look(house, monkeypatch):
    """Only looked at; read when something changed, or when it is time."""
    looks, reads = [], []

    def looked(places):
        looks.append(1)
        return real(places)

    async def read(_):
        reads.append(1)

    real = module.marks
    monkeypatch.setattr(module, "marks", looked)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(module, "READ_SECONDS", 1e6)
    monkeypatch.setattr(house.keeper, "poll", read)

    async def main():
        watching = asyncio.create_task(house.keeper.watch(house.record))
        await until(lambda: len(looks) > 5)
        assert len(reads) == 1
        house.write(inventory=LEFT)
        await until(lambda: len(reads) == 2)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    asyncio.run(main())


def test_who_has_left_by_a_source_is_gone_until_its_next_document_is_in_force(tmp_path):
    """At once, with whatever else is held; a document that is kept and not in force yet brings nobody back."""
    write_files(tmp_path, inventory=INVENTORY, policies=POLICIES)
    path = tmp_path / "cmdb.json"
    path.write_bytes(DOCUMENT)
    keeper = Keeper(tmp_path / "inventory", tmp_path / "policies", Mode.ENFORCE, lambda: 5.0, None, [path])
    newer = DOCUMENT + b" "

    async def record(_):
        pass

    def there():
        return keeper.world.inventory.people["zoe"].active

    async def main():
        keeper.depart({path: Departed(frozenset({"zoe"}))})
        assert not there()
        keeper.hold(Held(deactivated=frozenset({"bob"})))
        assert not there()
        keeper.depart({path: Departed(frozenset({"zoe"}), newer)})
        assert not there()
        path.write_bytes(newer + b" ")
        for _ in range(3):
            await keeper.poll(record)
        assert not there()
        path.write_bytes(newer)
        for _ in range(3):
            await keeper.poll(record)
        assert there()

    asyncio.run(main())
