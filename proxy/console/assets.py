"""The few files that pages load, all our own: read once, addressed by their digest, never anything else."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from starlette.requests import Request
from starlette.responses import Response

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Assets:
    files: dict[str, bytes]
    digests: dict[str, str]

    @classmethod
    def load(cls) -> Self:
        """The files that are listed above, and no other."""
        files = {name: (_FOLDER / name).read_bytes() for name in _TYPES}
        return cls(files, {name: hashlib.sha256(body).hexdigest()[:16] for name, body in files.items()})

    def url(self, name: str) -> str:
        """The file's address, which changes with its contents."""
        return f"/static/{name}?v={self.digests[name]}"

    async def serve(self, request: Request) -> Response:
        """The file of this name; 404 for anything that is not listed."""
        name = request.path_params["name"]
        if name not in self.files:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        headers = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
        if request.query_params.get("v") != self.digests[name]:
            headers["cache-control"] = "no-cache"
        return Response(self.files[name], 200, headers, media_type=_TYPES[name])
