"""`countersign run` as the local shim: the program's environment holds a password that is good for us alone."""

import contextlib
import os
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.cli.api import control, request
from proxy.cli.environment import agent_environment
from proxy.cli.shim_wanted import ShimWanted
from proxy.errors import CountersignError
from proxy.shim.choice import Choice, Surroundings, means_of, read_choices
from proxy.shim.relay import Means, open_shim
from proxy.shim.sources import SourceFailed, TokenSource
from proxy.shim.task_tokens import Fields, Post, Show, by_handle, read_agent_key
from proxy.shim.way import Way, read_way

if TYPE_CHECKING:
    import httpx

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class Server:
    """What the running server says of itself."""

    client: "httpx.AsyncClient"
    status: Mapping[str, Any]


def needs_handle(choices: Sequence[Choice], wanted: ShimWanted) -> bool:
    """Whether the program is known by a handle of ours, if only to our token endpoint."""
    return any(one.kind == "handle" or (one.kind == "task" and wanted.key is None) for one in choices)


def needs_server(choices: Sequence[Choice], wanted: ShimWanted) -> bool:
    """Whether the server of this configuration must run, for us to ask it."""
    by_socket = any(one.kind == "task" for one in choices) and wanted.token_url is None
    return needs_handle(choices, wanted) or by_socket or wanted.through is None or wanted.roots is None


def read_wanted(wanted: ShimWanted) -> tuple[Choice, ...]:
    """The sources; without any, the handle."""
    return read_choices(wanted.sources or ("handle",))


@contextlib.asynccontextmanager
async def asked_server(wanted: ShimWanted, *, needed: bool) -> AsyncIterator[Server | None]:
    """The running server, if it is needed."""
    if not needed:
        yield None
        return
    async with control(wanted.config, running=True) as client:
        yield Server(client, await request(client, "GET", "/v1/status"))


@contextlib.asynccontextmanager
async def shimmed_environment(
    wanted: ShimWanted,
    choices: Sequence[Choice],
    server: Server | None,
    handle: TokenSource | None,
    user: tuple[int, int] | None,
) -> AsyncIterator[dict[str, str]]:
    """The program's environment, good for as long as this is not left."""
    roots = wanted.roots or Path(_told(server, "bundle"))
    if not roots.is_file():
        raise CountersignError(f"`{roots}` cannot be read: it is to hold the roots that the program trusts")
    async with _endpoint(wanted, choices, server, roots) as post:
        around = Surroundings(_way(wanted, choices, server, user), roots, handle, post, _show(wanted, handle))
        means = means_of(choices, around)
        await _once(means)
        password = secrets.token_urlsafe(32)
        async with open_shim(password, means, _say) as port:
            yield {
                **agent_environment(
                    os.environ,
                    agent=wanted.agent,
                    handle=password,
                    proxy=f"127.0.0.1:{port}",
                    gateway="",
                    bundle=roots,
                ),
                "COUNTERSIGN_HANDLE": "",
            }


def _say(text: str) -> None:
    """Beside what the program writes: its own client may show no more of a refusal than a bare number."""
    print(f"countersign run: {text}", file=sys.stderr, flush=True)


async def _once(means: Means) -> None:
    """The credential is to be had: else a person is told now, in words, and not their program at each call."""
    try:
        if means.token is not None:
            await means.token.token()
        if means.certificate is not None:
            await means.certificate.context()
    except SourceFailed as error:
        raise CountersignError(f"there is no credential for the proxy: {error}") from error


def _way(wanted: ShimWanted, choices: Sequence[Choice], server: Server | None, user: tuple[int, int] | None) -> Way:
    """As a person says; else the server's own address that fits what is shown."""
    if wanted.through is not None:
        way = read_way(wanted.through)
    elif any(one.kind == "peer" for one in choices):
        path = _told(server, "local")
        if not path:
            raise CountersignError("`--with peer` needs the proxy's UNIX socket: set `listen.local`")
        way = read_way(f"unix:{path}")
    elif any(one.shows_certificate for one in choices):
        address = _told(server, "proxy_tls")
        if not address:
            raise CountersignError("a certificate is shown in TLS to the proxy: set `listen.proxy_tls`")
        way = read_way(f"https://{address}")
    else:
        way = read_way(f"http://{_told(server, 'proxy')}")
    return Way(way.host, way.port, way.tls, way.path, user if way.path else None)


def _told(server: Server | None, name: str) -> str:
    return str(server.status.get(name, "")) if server is not None else ""


@contextlib.asynccontextmanager
async def _endpoint(
    wanted: ShimWanted, choices: Sequence[Choice], server: Server | None, roots: Path
) -> AsyncIterator[Post | None]:
    """How the token endpoint is asked, if it is: at its URL, or at the operator's socket of the server."""
    if not any(one.kind == "task" for one in choices):
        yield None
    elif wanted.token_url is None:
        assert server is not None
        yield _posting(server.client, TOKEN_PATH)
    else:
        import httpx

        if not wanted.token_url.startswith("https://") or not wanted.token_url.endswith(TOKEN_PATH):
            raise CountersignError(f"`--token-url` is the https URL of the token endpoint, ending in `{TOKEN_PATH}`")
        trust = ssl.create_default_context(cafile=str(roots))
        async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=10.0) as client:
            yield _posting(client, wanted.token_url)


def _posting(client: "httpx.AsyncClient", url: str) -> Post:
    async def post(form: Fields, headers: Fields) -> tuple[int, Any]:
        import httpx

        try:
            answer = await client.post(url, data=dict(form), headers=dict(headers))
            return answer.status_code, answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise SourceFailed("the token endpoint does not answer") from error

    return post


def _show(wanted: ShimWanted, handle: TokenSource | None) -> Show | None:
    """How the agent shows itself to the token endpoint: by its key, else by the handle."""
    if wanted.key is None:
        return by_handle(handle) if handle is not None else None
    if wanted.token_url is not None:
        issuer = wanted.token_url.removesuffix(TOKEN_PATH)
    else:
        from proxy.settings import load_settings

        issuer = (load_settings(wanted.config).identity.token_issuer or "").rstrip("/")
    return read_agent_key(wanted.key, wanted.agent, issuer).show
