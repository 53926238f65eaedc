"""Taking events: on record first, in force then, remembered last; and sent again whenever that failed."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.control.signals.hearing import Hearing
from proxy.control.signals.words import CAEP, RISC, SSF, SetRefused
from proxy.errors import StoreUnavailable
from proxy.tasks.epochs import Epochs
from proxy.tasks.interfaces import KINDS, Revocation
from telemetry.errors import AuditUnavailable
from telemetry.record import CANONICAL_FORM, VERSION, timestamp, validate
from tests.fakes.issuer import ISSUER, NOW
from tests.fakes.signal_house import BOT, FRANK, REVOKED, SignalHouse, set_token
from tests.fakes.tasks import new_task
from tests.fakes.waiting import until

FRANKS = {"principal:frank": "revoke", f"principal:{ISSUER}|{FRANK}": "revoke"}


def story(folder, tell, **changes):
    """A story in a house of its own; every record that it leaves has the log's shape."""

    async def main():
        house = SignalHouse(folder, **changes)
        try:
            await tell(house)
        finally:
            house.close()
        for record in house.log.records:
            shaped = {"v": VERSION, "canon": CANONICAL_FORM} | record
            validate(shaped | {"ts": timestamp(house.now)})

    asyncio.run(main())


def test_a_revoked_session_ends_the_person_everywhere(tmp_path):
    """Who said it, which token, what it ended and when stand in the record; then both names are dead."""

    async def tell(house):
        await house.take()
        assert house.ended() == FRANKS
        row = house.revocations.in_force()[0]
        assert (row.by, row.reason) == (
            f"transmitter:{ISSUER}",
            f"session-revoked, says {ISSUER}: left the company",
        )
        assert row.at == NOW
        (record,) = house.log.records
        assert record["type"] == "signal.received"
        assert record["change"]["by"] == f"transmitter:{ISSUER}"
        assert {"jti=set-1", f"event={REVOKED}", "effect=revoke", "ends=principal:frank"} <= set(
            record["change"]["details"]
        )

    story(tmp_path, tell)


def test_what_a_person_began_dies_with_them(tmp_path):
    """A task for Frank, begun between the event and our hearing of it, is over too."""

    async def tell(house):
        task = await house.tasks.create(
            new_task(tools=("crm/*",), datasets=(), deadline=NOW + 600), by="t", now=NOW - 1
        )
        await house.take(iat=int(NOW) - 60)
        assert house.revocations._feed.epochs.dead(("principal:frank",), task.created_at) is not None
        assert house.revocations._feed.epochs.dead(("principal:frank",), NOW + 1) is None

    story(tmp_path, tell)


@pytest.mark.parametrize(
    "event",
    [
        f"{CAEP}assurance-level-change",
        f"{CAEP}risk-level-change",
        f"{CAEP}device-compliance-change",
    ],
)
def test_a_doubt_freezes(tmp_path, event):
    """Less than an end, and lifted by a person."""

    async def tell(house):
        await house.take(events={event: {}})
        assert house.ended() == dict.fromkeys(FRANKS, "freeze")

    story(tmp_path, tell)


def test_a_doubt_does_not_soften_an_end(tmp_path):
    """Whoever is ended stays so when a doubt comes, and the doubt stays when an end comes: a fresh login is held."""

    async def tell(house):
        doubt = {f"{CAEP}risk-level-change": {"current_level": "HIGH"}}
        bot = {"format": "iss_sub", "iss": ISSUER, "sub": BOT}
        await house.take()
        await house.take(jti="set-2", sub_id=bot, events=doubt)
        assert house.ended() == FRANKS | {"agent:support-bot": "freeze", f"principal:{ISSUER}|{BOT}": "freeze"}
        house.now += 5
        await house.take(jti="set-3", events=doubt)
        await house.take(jti="set-4", sub_id=bot, events={f"{RISC}account-disabled": {}})
        both = {
            (scope, kind) for scope in (*FRANKS, "agent:support-bot", f"principal:{ISSUER}|{BOT}") for kind in KINDS
        }
        assert {(row.scope, row.kind) for row in house.revocations.in_force()} == both
        epochs = Epochs(house.revocations.in_force())
        assert epochs.dead(("principal:frank",), NOW) is not None
        assert epochs.dead(("principal:frank",), NOW + 5) is None
        assert [row.scope for row in epochs.frozen(("principal:frank",))] == ["principal:frank"]

    story(tmp_path, tell)


@pytest.mark.parametrize(
    "events",
    [
        {f"{CAEP}token-claims-change": {"claims": {}}},
        {f"{CAEP}session-established": {}},
        {f"{RISC}account-enabled": {}},
        {"https://schemas.example/new-thing": {}},
        {f"{SSF}verification": {}},
        {f"{SSF}stream-updated": {"status": "paused"}},
    ],
)
def test_what_ends_nothing_is_taken_and_recorded(tmp_path, events):
    """An unknown type too: the transmitter need not send it again, and we can see that it came."""

    async def tell(house):
        await house.take(events=events, sub_id={"format": "opaque", "id": "stream-1"})
        assert house.ended() == {}
        assert house.log.types() == ["signal.received"]

    story(tmp_path, tell)


def test_a_transmitter_writes_no_line_of_our_log(tmp_path, caplog):
    """What it says of its stream stands in one line, and not at any length."""

    async def tell(house):
        said = {"status": "paused\nERROR countersign: \x1b[2J" + "x" * 500}
        await house.take(events={f"{SSF}stream-updated": said}, sub_id={"format": "opaque", "id": "stream-1"})

    story(tmp_path, tell)
    (line,) = [record.getMessage() for record in caplog.records if "was changed" in record.getMessage()]
    assert line.isprintable()
    assert len(line) < 250


def test_a_token_of_many_events_has_all_effects_or_none(tmp_path):
    """One that is malformed refuses the token before anything is done."""

    async def tell(house):
        events = {REVOKED: {}, f"{CAEP}credential-change": {}}
        assert await house.err(set_token(events=events)) == "invalid_request"
        assert house.ended() == {}
        await house.take(jti="set-2", events={f"{CAEP}session-established": {}, REVOKED: {}})
        assert house.ended() == FRANKS

    story(tmp_path, tell)


def test_the_same_token_again_does_nothing_again(tmp_path):
    """Taken, so that it is not sent again; what was lifted meanwhile stays lifted, also after a restart."""

    async def tell(house):
        await house.take()
        await house.revocations.lift("principal:frank")
        await house.take()
        house.rebuilt()
        await house.take()
        assert "principal:frank" not in house.ended()
        assert len(house.log.records) == 1
        await house.take(jti="set-2")
        assert "principal:frank" in house.ended()

    story(tmp_path, tell)


def test_the_same_token_twice_at_once_is_taken_once(tmp_path):
    """Both are answered when it is in force."""

    async def tell(house):
        answers = await asyncio.gather(*(house.push(set_token()) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {202}
        assert len(house.log.records) == 1
        assert house.ended() == FRANKS

    story(tmp_path, tell)


def test_different_tokens_at_once_are_all_taken(tmp_path):
    """None waits for another's."""

    async def tell(house):
        answers = await asyncio.gather(*(house.push(set_token(jti=f"set-{n}")) for n in range(20)))
        assert {answer.status_code for answer in answers} == {202}
        assert len(house.log.records) == 20

    story(tmp_path, tell)


class Failing:
    """A kill switch that fails so many times."""

    def __init__(self, real, times):
        self.real, self.times = real, times

    async def __call__(self, *args, **kwargs):
        if self.times:
            self.times -= 1
            raise StoreUnavailable("the store is down")
        await self.real(*args, **kwargs)


def test_an_event_whose_effect_failed_is_to_be_sent_again(tmp_path):
    """503 until it is in force; then it is, though the token was seen before."""

    async def tell(house):
        house.rebuilt(Failing(house.revoke, 2))
        for _ in range(2):
            answer = await house.push(set_token())
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert house.ended() == {}
        await house.take()
        assert house.ended() == FRANKS

    story(tmp_path, tell)


def test_nothing_takes_effect_that_cannot_be_written_down(tmp_path):
    """The audit log is down: send it again. It is up again: it is in force."""

    async def tell(house):
        house.log.broken = True
        assert (await house.push(set_token())).status_code == 503
        assert house.ended() == {}
        house.log.broken = False
        await house.take()
        assert house.ended() == FRANKS

    story(tmp_path, tell)


def test_a_store_that_is_down_takes_nothing(tmp_path):
    """503: whether it came before cannot be known."""

    async def main():
        house = SignalHouse(tmp_path)
        house.close()
        assert (await house.push(set_token())).status_code == 503
        assert house.log.records == []

    asyncio.run(main())


def test_whoever_hangs_up_does_not_leave_it_half_done(tmp_path):
    """The connection ends in the middle; the effect does not."""

    async def tell(house):
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def slow(*args, **kwargs):
            entered.set()
            await go_on.wait()
            await real(*args, **kwargs)

        real = house.revoke
        house.rebuilt(slow)
        request = asyncio.create_task(house.hearing.hear(house.hearing.open(set_token())))
        await entered.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        go_on.set()
        await until(lambda: house.ended() == FRANKS)
        await until(lambda: not house.hearing._under_way)

    story(tmp_path, tell)


def test_a_foreign_subject_is_refused_on_record(tmp_path):
    """Whoever overreaches with a good key is worth a look."""

    async def tell(house):
        foreign = {"format": "email", "email": "ceo@other.example"}
        assert await house.err(set_token(sub_id=foreign)) == "access_denied"
        assert house.ended() == {}
        (record,) = house.log.records
        assert (record["type"], record["change"]["kind"]) == ("signal.refused", "access_denied")

    story(tmp_path, tell)


def test_a_forged_token_leaves_no_record(tmp_path):
    """Else anybody could fill the log."""

    async def tell(house):
        assert await house.err(set_token(name="other")) == "invalid_key"
        assert house.log.records == []

    story(tmp_path, tell)


def test_what_ended_a_great_many_still_fits_into_a_record(tmp_path):
    """The first of them, and how many more."""

    async def tell(house):
        person = house.facts.people["frank"]
        people = {f"p{n}": person.model_copy(update={"id": f"p{n}", "identities": ()}) for n in range(60)}
        house.facts = house.facts.model_copy(update={"people": people})
        await house.take(sub_id={"format": "email", "email": "frank@corp.example"})
        assert len(house.ended()) == 60
        assert "and=20" in house.log.records[0]["change"]["details"]

    story(tmp_path, tell)


def test_an_end_by_a_transmitter_is_lifted_by_the_operator_only(tmp_path):
    """An owner does not bring back what the identity provider ended."""

    async def tell(house):
        await house.take(sub_id={"format": "iss_sub", "iss": ISSUER, "sub": BOT})
        async with await house.person("alice") as alice:
            answer = await alice.request("DELETE", "/v1/revocations?scope=agent:support-bot", json={"reason": "x"})
            assert (answer.status_code, answer.json()["code"]) == (409, "ended_by_operator")
        assert "agent:support-bot" in house.ended()

    story(tmp_path, tell)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "store", "log"])), max_size=12))
def test_what_was_answered_is_in_force_and_on_record(tmp_path_factory, deliveries):
    """Whatever fails in between and however often it comes: taken means ended and written down, once."""

    async def main():
        house = SignalHouse(tmp_path_factory.mktemp("house"))
        real = house.revoke
        try:
            taken = set()
            for which, failing in deliveries:
                house.rebuilt(Failing(real, 1 if failing == "store" else 0))
                house.log.broken = failing == "log"
                about = {"format": "iss_sub", "iss": ISSUER, "sub": f"s{which}"}
                answer = await house.push(set_token(jti=f"set-{which}", sub_id=about))
                assert answer.status_code == (202 if not failing or which in taken else 503)
                if answer.status_code == 202:
                    taken.add(which)
                assert {f"principal:{ISSUER}|s{one}" for one in taken} == set(house.ended())
            on_record = {detail for record in house.log.records for detail in record["change"]["details"]}
            assert {f"ends={scope}" for scope in house.ended()} <= on_record
        finally:
            house.close()

    asyncio.run(main())


def test_only_new_tokens_are_signs_of_life(tmp_path):
    """A replay of an old one does not keep the alarm from ringing."""

    async def tell(house):
        house.now += 50
        await house.take(iat=int(NOW))
        assert house.silence.heard_ago(house.now)[ISSUER] == 0
        house.now += 50
        await house.take(iat=int(NOW))
        assert house.silence.heard_ago(house.now)[ISSUER] == 50

    story(tmp_path, tell)


def test_an_error_of_ours_reaches_who_waits(tmp_path):
    """Every one of the callers that share a token hears that it was not taken."""

    async def tell(house):
        house.log.broken = True
        presented = house.hearing.open(set_token())
        found = await asyncio.gather(*(house.hearing.hear(presented) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in found] == [AuditUnavailable] * 3
        assert isinstance(house.hearing, Hearing)
        with pytest.raises(SetRefused):
            house.hearing.open("x")
        assert Revocation("a", 1, "b", "c").kind == "revoke"

    story(tmp_path, tell)
