"""Every kind of binding that people can write is one that we can obtain."""

from typing import get_args

from proxy.credentials.means import Means
from proxy.credentials.references import References
from proxy.credentials.registry import KINDS
from proxy.facts import AnyBinding


def test_every_kind_that_can_be_written_is_there() -> None:
    """No kind without an implementation, and no implementation that nobody can ask for."""
    union = get_args(get_args(AnyBinding.__value__)[0])
    written = {get_args(member)[0].model_fields["kind"].default for member in union}
    assert written == set(KINDS)
    assert [get_args(member)[1].tag for member in union] == list(KINDS)


def test_every_kind_can_be_made() -> None:
    """From the same means."""
    means = Means(References())
    assert all(kind(means) for kind in KINDS.values())
