"""Saying what failed without saying what was sent."""

from proxy.listener.blame import blame


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
