"""Saying what failed without saying what was sent."""

from proxy.blame import blame


def test_names_the_place_and_not_the_message() -> None:
    """The message of an exception may hold a credential; its type and place do not."""
    try:
        raise ValueError("Bearer s3cr3t")
    except ValueError as error:
        text = blame(error)
    assert text.startswith("ValueError at ")
    assert __file__ in text
    assert "s3cr3t" not in text


def test_an_exception_that_was_never_raised() -> None:
    """Without a traceback there is no place to name."""
    assert blame(KeyError("x")) == "KeyError at an unknown place"


def test_names_the_way_there_and_the_causes() -> None:
    """Callers follow the place, causes follow the error, each without its message, however many there are."""

    def inner(depth: int) -> None:
        if depth:
            inner(depth - 1)
        else:
            raise KeyError("s3cr3t")

    try:
        try:
            inner(40)
        except KeyError as error:
            raise RuntimeError("Bearer s3cr3t") from error
    except RuntimeError as error:
        text = blame(error)
    assert text.startswith("RuntimeError at ")
    assert ", from a KeyError at " in text
    assert text.count(" < ") == 11
    assert "s3cr3t" not in text


def test_causes_that_go_round() -> None:
    """Errors that caused one another are each named once; a suppressed one is not."""
    one, other = ValueError("a"), TypeError("b")
    one.__cause__, other.__cause__ = other, one
    assert blame(one) == "ValueError at an unknown place, from a TypeError at an unknown place"
    try:
        try:
            raise KeyError
        except KeyError:
            raise OSError("c") from None
    except OSError as error:
        text = blame(error)
    assert "KeyError" not in text
