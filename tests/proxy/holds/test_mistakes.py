"""What people can do wrong with a hold."""

from proxy.errors import CountersignError
from proxy.holds import mistakes


def test_every_mistake_has_a_code_of_its_own() -> None:
    """APIs tell mistakes apart by code, and every one is a person's mistake."""
    kinds = [
        kind for kind in vars(mistakes).values() if isinstance(kind, type) and issubclass(kind, mistakes.HoldError)
    ]
    assert len({kind.code for kind in kinds}) == len(kinds) >= 9
    assert all(issubclass(kind, CountersignError) for kind in kinds)
