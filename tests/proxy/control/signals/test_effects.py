"""What follows from each event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.control.signals.effects import LONGEST_CREDENTIAL, Effect, effect_of, ends_at, said_reason
from proxy.control.signals.model import Event
from proxy.control.signals.words import CAEP, RISC, SSF, SetRefused

NOW = 1_800_000_000.0


def what(uri, **body):
    return effect_of(Event(uri, body)).what


@pytest.mark.parametrize(
    ("uri", "body", "effect"),
    [
        (f"{CAEP}session-revoked", {}, "revoke"),
        (f"{CAEP}credential-change", {"change_type": "revoke"}, "revoke"),
        (f"{CAEP}credential-change", {"change_type": "delete"}, "revoke"),
        (f"{CAEP}credential-change", {"change_type": "something new"}, "revoke"),
        (f"{CAEP}credential-change", {"change_type": "create"}, "nothing"),
        (f"{CAEP}credential-change", {"change_type": "update"}, "nothing"),
        (f"{CAEP}token-claims-change", {"claims": {"role": "x"}}, "nothing"),
        (f"{CAEP}assurance-level-change", {"change_direction": "decrease"}, "freeze"),
        (f"{CAEP}assurance-level-change", {}, "freeze"),
        (f"{CAEP}assurance-level-change", {"change_direction": "increase"}, "nothing"),
        (f"{CAEP}risk-level-change", {"current_level": "HIGH"}, "freeze"),
        (f"{CAEP}risk-level-change", {"current_level": ["LOW"]}, "freeze"),
        (f"{CAEP}risk-level-change", {"current_level": "MEDIUM"}, "nothing"),
        (f"{CAEP}device-compliance-change", {"current_status": "not-compliant"}, "freeze"),
        (f"{CAEP}device-compliance-change", {"current_status": "compliant"}, "nothing"),
        (f"{CAEP}session-established", {}, "nothing"),
        (f"{RISC}account-disabled", {"reason": "hijacking"}, "revoke"),
        (f"{RISC}account-purged", {}, "revoke"),
        (f"{RISC}credential-compromise", {"credential_type": "password"}, "revoke"),
        (f"{RISC}account-enabled", {}, "nothing"),
        (f"{SSF}verification", {"state": "x"}, "heartbeat"),
        (f"{SSF}stream-updated", {"status": "paused"}, "stream"),
        (f"{CAEP}never-heard-of", {}, "unknown"),
        ("https://evil.example/session-revoked", {}, "unknown"),
    ],
)
def test_each_event_has_its_effect(uri, body, effect):
    """What is known to be harmless does nothing; what is missing or new counts as the worse; other types do nothing."""
    assert effect_of(Event(uri, body)) == Effect(effect, uri.rpartition("/")[2])


def test_a_credential_change_says_which(tmp_path):
    """Without `change_type` it is no event of its type."""
    with pytest.raises(SetRefused):
        what(f"{CAEP}credential-change", change_type=1)


@pytest.mark.parametrize(
    ("stamp", "end"),
    [
        (NOW - 60, NOW),
        (NOW + 60, NOW),
        (NOW * 1000, NOW),
        (0, NOW),
        (-5, NOW),
        (True, NOW),
        ("yesterday", NOW),
        (None, NOW),
        (NOW - 10 * 86_400, NOW - 9 * 86_400),
    ],
)
def test_the_end_is_now_or_a_day_after_old_news(stamp, end):
    """What rests on a credential from before the event is over too, but not what began long after it."""
    assert ends_at(Event("x", {"event_timestamp": stamp}), int(NOW), NOW) == end


@given(st.integers() | st.floats() | st.booleans() | st.none() | st.text(), st.integers(0, int(NOW) + 30))
def test_the_end_is_never_in_the_future_and_never_before_what_rests_on_it(stamp, issued):
    """Whatever the stamp is."""
    end = ends_at(Event("x", {"event_timestamp": stamp}), issued, NOW)
    assert min(NOW, LONGEST_CREDENTIAL) <= end <= NOW


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"en": "left\nthe company"}, "left the company"),
        ({"de": "ging"}, "ging"),
        ("plain", "plain"),
        ({}, ""),
        (None, ""),
        ({"en": 1}, ""),
        ({"en": "\x1b[31m" + "x" * 500}, "[31m" + "x" * 195),
    ],
)
def test_the_words_of_a_transmitter_are_cleaned(said, reason):
    """Nothing that moves a cursor or fills a log."""
    assert said_reason(Event("x", {"reason_admin": said})) == reason
