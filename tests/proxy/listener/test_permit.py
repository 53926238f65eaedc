"""The second gate."""

import pytest

from proxy.listener.permit import Permit, Permits
from proxy.stages import Arrived, Destination, Released, Request
from tests.fakes.gate import released

HERE = Destination("https", "a.test", 443)
THERE = Destination("https", "b.test", 443)


def a_release() -> Released:
    request = Request("GET", "https", "a.test", 443, "/", "", (), b"")
    return released(Arrived("call_1", 0.0, "c", "connect", "p", request), request)


def test_only_what_is_in_force_is_allowed() -> None:
    """A permit counts from when it is added to when it is discarded, and only for its place."""
    permits, permit = Permits(), Permit(a_release(), HERE)
    assert not permits.allows(permit, HERE)
    permits.add(permit)
    assert permits.allows(permit, HERE)
    assert not permits.allows(permit, THERE)
    permits.discard(permit)
    assert not permits.allows(permit, HERE)


def test_a_copy_is_no_permit() -> None:
    """Equal is not enough: it must be the very one that was issued."""
    permits, release = Permits(), a_release()
    permits.add(Permit(release, HERE))
    assert not permits.allows(Permit(release, HERE), HERE)


def test_clearing_ends_all() -> None:
    """When the connection is over, nothing may be sent any more."""
    permits, permit = Permits(), Permit(a_release(), HERE)
    permits.add(permit)
    permits.clear()
    assert not permits.allows(permit, HERE)


def test_only_a_release_can_be_permitted() -> None:
    """Something that merely looks like a release is refused."""
    with pytest.raises(TypeError):
        Permits().add(Permit(object(), HERE))  # type: ignore[arg-type]  # on purpose
