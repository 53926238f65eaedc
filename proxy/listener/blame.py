"""Says what failed and where, without the message: that may hold what an agent sent."""


def blame(error: BaseException) -> str:
    """`RuntimeError at /path/file.py:12`."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "an unknown place"
    return f"{type(error).__name__} at {where}"
