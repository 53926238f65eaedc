"""Who waits in this process."""

from proxy.holds.waiters import Waiters


def test_only_the_waiters_of_a_changed_hold_are_woken() -> None:
    """Each has an event of its own; a hold without waiters wakes nobody."""
    waiters = Waiters()
    with waiters.watch("a") as one, waiters.watch("a") as two, waiters.watch("b") as other:
        waiters.wake(("a", "c"))
        assert (one.is_set(), two.is_set(), other.is_set()) == (True, True, False)
        assert (waiters.count("a"), waiters.count("b"), waiters.count("c")) == (2, 1, 0)
        waiters.wake_all()
        assert other.is_set()


def test_whoever_leaves_is_forgotten() -> None:
    """Nothing is kept for a hold that nobody waits for, also when waiting ended in an error."""
    waiters = Waiters()
    try:
        with waiters.watch("a"):
            assert waiters
            raise LookupError
    except LookupError:
        pass
    assert not waiters
    assert waiters.count("a") == 0
