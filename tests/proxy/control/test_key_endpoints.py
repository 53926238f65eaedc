"""The body that the route of our signing keys reads."""

import pytest
from pydantic import ValidationError

from proxy.control.key_endpoints import RotateKeys


def test_nothing_is_withdrawn_unless_it_is_said() -> None:
    """A reason is enough for an ordinary change."""
    assert not RotateKeys(reason="x").revoke_old


@pytest.mark.parametrize("body", [{}, {"reason": "x", "revoke_old": 1}, {"reason": "x" * 501}, {"reason": "x", "y": 1}])
def test_a_body_of_another_shape_is_a_mistake(body: dict[str, object]) -> None:
    """No reason, a number for a yes, a field that is not known."""
    with pytest.raises(ValidationError):
        RotateKeys.model_validate(body)
