"""Whom an event ends, and about whom a transmitter is not believed."""

import pytest

from proxy.control.signals.subjects import Complex, Email, IssSub, Opaque
from proxy.control.signals.whom import scopes_of, shown
from proxy.control.signals.words import SetRefused
from proxy.facts import Agent, Inventory, Person, Process, Subject
from tests.fakes.control_house import FAR
from tests.fakes.issuer import ISSUER
from tests.fakes.signal_house import transmitter

OTHER = "https://other.example"
SPIFFE = ("spiffe://prod.example", "spiffe://prod.example/bot")


def known(*subjects):
    return tuple(Subject(issuer=issuer, subject=subject) for issuer, subject in subjects)


INVENTORY = Inventory(
    version="1",
    people={
        "frank": Person(
            id="frank", name="F", email="Frank@corp.example",
            identities=known((ISSUER, "f"), (OTHER, "f2"), (OTHER, "a b")),
        ),
        "gone": Person(id="gone", name="G", email="frank@corp.example", active=False),
    },
    teams={},
    agents={
        "bot": Agent(
            id="bot", owner="frank", purpose="x", expires=FAR, review_due=FAR, identities=known((ISSUER, "b"), SPIFFE)
        )
    },
    services={},
    datasets={},
    processes={
        "nightly": Process(
            id="nightly", owner="frank", purpose="x", trigger="schedule", reference="0 2 * * *", agents=("bot",),
            expires=FAR, review_due=FAR, identities=known((ISSUER, "cron")),
        )
    },
)  # fmt: skip


def ends(folder, subject, **changes):
    return set(scopes_of(subject, transmitter(folder, **changes), INVENTORY))


def err(folder, subject, **changes):
    with pytest.raises(SetRefused) as refused:
        ends(folder, subject, **changes)
    return refused.value.err


def test_a_person_ends_by_every_name_that_they_have(tmp_path):
    """By our own id, which their tasks carry, and by every subject that tokens may show."""
    everything = {"principal:frank", f"principal:{ISSUER}|f", f"principal:{OTHER}|f2"}
    assert ends(tmp_path, IssSub(ISSUER, "f")) == everything
    assert ends(tmp_path, Email("frank@corp.example")) == {*everything, "principal:gone"}


def test_an_agent_and_a_process_end_as_what_they_are(tmp_path):
    """An agent by its scope, so that its handles die with its tokens."""
    assert ends(tmp_path, IssSub(ISSUER, "b")) == {f"principal:{ISSUER}|b", "agent:bot"}
    assert ends(tmp_path, IssSub(ISSUER, "cron")) >= {f"principal:{ISSUER}|cron", "principal:nightly"}
    spiffe = ends(tmp_path, IssSub(*SPIFFE), subject_issuers=frozenset({SPIFFE[0]}))
    assert spiffe == {f"principal:{SPIFFE[0]}|{SPIFFE[1]}", "agent:bot"}


def test_somebody_whom_we_do_not_know_ends_by_their_subject(tmp_path):
    """Whatever shows it later was issued before; an address of nobody ends nothing."""
    assert ends(tmp_path, IssSub(ISSUER, "new")) == {f"principal:{ISSUER}|new"}
    assert ends(tmp_path, Email("nobody@corp.example")) == set()


@pytest.mark.parametrize(
    "subject",
    [
        IssSub(OTHER, "f2"),
        IssSub(f"{ISSUER}/", "f"),
        IssSub(*SPIFFE),
        Email("frank@other.example"),
        Email("frank@sub.corp.example"),
        Opaque("agent:bot"),
        Complex({"user": IssSub(OTHER, "f2")}),
        Complex({"user": IssSub(ISSUER, "f"), "application": IssSub(OTHER, "x")}),
    ],
)
def test_a_transmitter_is_not_believed_about_others(tmp_path, subject):
    """Another issuer, another domain, or names that only we give: `access_denied`, and nothing of it."""
    assert err(tmp_path, subject) == "access_denied"


def test_a_complex_subject_ends_all_of_whom_it_names(tmp_path):
    """A session is not told apart here, so that the person ends: rather too much than too little."""
    whole = Complex({"user": IssSub(ISSUER, "f"), "session": Opaque("s-1"), "device": None})
    assert ends(tmp_path, whole) == ends(tmp_path, IssSub(ISSUER, "f"))


@pytest.mark.parametrize("parts", [{"session": Opaque("s-1")}, {"user": None}, {"tenant": Opaque("t"), "user": None}])
def test_a_complex_subject_that_names_nobody_is_refused(tmp_path, parts):
    """We would end nothing, and the transmitter would believe that we did."""
    assert err(tmp_path, Complex(parts)) == "invalid_request"


def test_another_countersign_names_scopes(tmp_path):
    """Exactly the scope that it ended; what is no scope is refused."""
    assert ends(tmp_path, Opaque("agent:bot"), knows_scopes=True) == {"agent:bot"}
    assert ends(tmp_path, Opaque("global"), knows_scopes=True) == {"global"}
    assert err(tmp_path, Opaque("galaxy"), knows_scopes=True) == "invalid_request"


def test_a_subject_is_shown_in_one_line():
    """For the record."""
    assert shown(Complex({"user": Email("a@b"), "device": None, "session": Opaque("s")})) == (
        "user=email:a@b device=unknown session=opaque:s"
    )
    assert shown(IssSub("i", "s")) == "iss_sub:i|s"
