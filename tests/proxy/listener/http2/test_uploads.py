"""Windows for request bodies."""

from proxy.listener.http2.uploads import BUDGET, Uploads
from proxy.listener.options import MIB


class Opened:
    """Stands for the frames: writes down which windows are opened."""

    def __init__(self) -> None:
        self.windows: list[tuple[int, int | None]] = []

    def open_window(self, size: int, stream: int | None = None) -> None:
        self.windows.append((size, stream))


def test_small_bodies_need_nothing() -> None:
    """What fits into the first window opens no other."""
    opened = Opened()
    uploads = Uploads(opened, MIB)  # type: ignore[arg-type]
    uploads.reading(1, 20_000, 20_000)
    uploads.over(1)
    assert opened.windows == []


def test_large_bodies_wait_for_their_turn() -> None:
    """The budget is given out in the order of asking, kept until the call is over, and then given to the next."""
    opened = Opened()
    uploads = Uploads(opened, BUDGET // 2)  # type: ignore[arg-type]
    for stream in (1, 3, 5, 7):
        uploads.reading(stream, 40_000, None)
    assert opened.windows == [(40_000, 1), (40_000, 3)]
    uploads.reading(1, 40_000, None)
    uploads.reading(5, 20_000, None)
    assert opened.windows[2:] == [(40_000, 1)]
    uploads.over(7)
    uploads.over(1)
    assert opened.windows[3:] == [(60_000, 5)]
    uploads.over(3)
    uploads.over(5)
    assert opened.windows[4:] == []


def test_a_length_that_is_known_takes_no_more_than_that() -> None:
    """Many bodies of some size are let in together."""
    opened = Opened()
    uploads = Uploads(opened, MIB)  # type: ignore[arg-type]
    for stream in range(1, 201, 2):
        uploads.reading(stream, 40_000, 150_000)
    assert len(opened.windows) == 100


def test_one_body_always_fits() -> None:
    """However large bodies may be, one of them has room."""
    opened = Opened()
    uploads = Uploads(opened, 64 * MIB)  # type: ignore[arg-type]
    uploads.reading(1, 40_000, 64 * MIB)
    assert opened.windows == [(40_000, 1)]


def test_the_connections_window_is_given_back() -> None:
    """Whatever becomes of the streams, the connection does not run dry."""
    opened = Opened()
    uploads = Uploads(opened, MIB)  # type: ignore[arg-type]
    for _ in range(40):
        uploads.received(16_384)
    assert sum(size for size, stream in opened.windows if stream is None) > 256 * 1024
