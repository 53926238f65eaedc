"""Forms that our page did not make, or another site sent."""

import pytest
from starlette.requests import Request

from proxy.console.forgery import check_origin, check_token, token_for
from proxy.errors import Declined

OURS = ("http://127.0.0.1:8700", "http://localhost:8700")


def test_a_token_belongs_to_one_session() -> None:
    """Another session's, an empty, a missing, an odd one, and any token without a session: refused."""
    check_token("css_a", token_for("css_a"))
    for cookie, sent in (
        ("css_a", token_for("css_b")),
        ("css_a", ""),
        ("css_a", None),
        ("css_a", b"bytes"),
        ("css_a", "ü" * 64),
        ("", token_for("")),
    ):
        with pytest.raises(Declined):
            check_token(cookie, sent)
    assert "css_a" not in token_for("css_a")


@pytest.mark.parametrize(
    "sent",
    [
        [],
        ["null"],
        ["https://127.0.0.1:8700"],
        ["http://127.0.0.1"],
        ["http://127.0.0.1:8700.evil.example"],
        [OURS[0], OURS[0]],
    ],
)
def test_a_form_must_come_from_our_own_address(sent: list[str]) -> None:
    """Exactly one origin, and exactly one of ours."""
    headers = [(b"origin", origin.encode()) for origin in sent]
    with pytest.raises(Declined):
        check_origin(Request({"type": "http", "headers": headers}), OURS)
    for ours in OURS:
        check_origin(Request({"type": "http", "headers": [(b"origin", ours.encode())]}), OURS)
    with pytest.raises(Declined):
        check_origin(Request({"type": "http", "headers": [(b"origin", b"http://a")]}), ())
