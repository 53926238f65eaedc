"""Answers as blocks of fields."""

from proxy.listener.http2.answer import reply_block
from proxy.stages import Reply


def test_a_reply_of_our_own() -> None:
    """Names are lower case, nothing concerns the connection, and the length is ours."""
    reply = Reply(
        403, (("Content-Type", "a/b"), ("Connection", "close"), ("Content-Length", "9"), ("X", " a\r\nb ")), b"no"
    )
    assert reply_block(reply) == [
        (b":status", b"403"),
        (b"content-type", b"a/b"),
        (b"x", b"a  b"),
        (b"content-length", b"2"),
    ]


def test_replies_that_are_not_final() -> None:
    """A status that is no answer becomes one that is; one without a body says no length."""
    assert reply_block(Reply(101, (), b"x"))[0] == (b":status", b"503")
    assert reply_block(Reply(204, (), b"")) == [(b":status", b"204")]
