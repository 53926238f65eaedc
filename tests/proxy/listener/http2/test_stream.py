"""One stream. What happens on it is in test_calls.py and test_multiplex.py."""

from proxy.listener.http2.stream import Phase, Stream


def test_a_stream_begins_with_nothing() -> None:
    """Nothing read, nothing asked, nothing released; and two streams are two, however alike."""
    stream = Stream(1, None)
    assert stream.phase is Phase.READING
    assert (stream.incoming, stream.question, stream.exchange, stream.server) == (None, None, None, None)
    assert not stream.complete
    assert not stream.gone
    assert stream != Stream(1, None)
