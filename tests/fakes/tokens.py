"""A source of one token, for what is built on sources."""


class FixedToken:
    """Always the same."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token
