"""How much is written down of callers whom nobody knows."""

from proxy.crowd import BURST, MOST_PEERS, PER_SECOND, Crowd

NOW = 1_800_000_000.0


def test_the_first_refusals_of_a_peer_are_written_singly() -> None:
    """A burst has a record each; what comes faster than that has not."""
    crowd = Crowd()
    written = [crowd.has_room("10.0.0.9", NOW) for _ in range(BURST + 25)]
    assert written == [True] * BURST + [False] * 25


def test_what_was_not_written_singly_is_told_as_a_number() -> None:
    """One record says how many, of whom, and from when to when; it is told once."""
    crowd = Crowd()
    for _ in range(BURST + 25):
        crowd.has_room("10.0.0.9", NOW)
    (record,) = crowd.take_untold(NOW + 60)
    assert record["type"] == "audit.gap"
    assert record["client"] == {"ip": "10.0.0.9"}
    assert record["gap"]["refused"] == 25  # type: ignore[index,call-overload]  # JSON as it stands
    assert crowd.take_untold(NOW + 61) == []


def test_room_comes_back_with_time() -> None:
    """After a flood, single records are written again, at the steady rate."""
    crowd = Crowd()
    for _ in range(BURST + 1):
        crowd.has_room("10.0.0.9", NOW)
    later = [crowd.has_room("10.0.0.9", NOW + 2.0) for _ in range(30)]
    assert later.count(True) == int(2 * PER_SECOND)


def test_one_peer_does_not_use_up_the_room_of_another() -> None:
    """A flood from one address leaves the records of others as they are."""
    crowd = Crowd()
    for _ in range(BURST * 2):
        crowd.has_room("10.0.0.9", NOW)
    assert crowd.has_room("10.0.0.10", NOW)


def test_a_crowd_of_addresses_is_bounded() -> None:
    """More peers than are kept in mind share one bucket, so that neither memory nor the log grows without end."""
    crowd = Crowd()
    written = sum(crowd.has_room(f"10.{number >> 8}.{number & 255}.1", NOW) for number in range(MOST_PEERS * 3))
    assert written <= MOST_PEERS + BURST
    crowd.take_untold(NOW + 60)
    crowd.take_untold(NOW + 120)
    assert crowd.has_room("10.0.0.1", NOW + 120)


def test_all_addresses_of_one_site_share_one_room() -> None:
    """An IPv6 host has more addresses than there are rooms."""
    crowd = Crowd()
    written = [crowd.has_room(f"2001:db8:1:2::{number:x}", NOW) for number in range(BURST * 2)]
    assert written.count(True) == BURST
    (record,) = crowd.take_untold(NOW + 60)
    assert record["client"] == {"ip": "2001:db8:1:2::/64"}
