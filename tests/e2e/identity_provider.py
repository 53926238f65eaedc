"""A real OpenID provider in a process of its own: people log in at its pages, agents by their keys."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.fakes.issuer import jwk, sign
from tests.fakes.waiting import PATIENCE

HERE = Path(__file__).parent / "oidc"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CALLBACK = "https://workbench.test/callback"
# The last one has called their account as an agent is called.
PEOPLE = {"alice": "correct horse", "bob": "battery staple", "researcher": "not the agent"}
OLDEST_NODE = 22


def program() -> list[str]:
    """The provider's command; the test is skipped where its parts are not."""
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else "v0."
    if node is None or int(version[1:].partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"there is no Node {OLDEST_NODE} or newer")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    modules = cache / "countersign-ci-oidc" / "node_modules"
    if not (modules / "oidc-provider").is_dir():
        pytest.skip(
            f"oidc-provider is not installed: copy {HERE}/package*.json to {modules.parent}, run `npm ci` there"
        )
    return [node, str(HERE / "provider.mjs"), str(modules)]


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Where it is, and how people and agents get tokens of it."""

    issuer: str

    @property
    def jwks_url(self) -> str:
        return f"{self.issuer}/jwks"

    def login(self, person: str, password: str, resource: str) -> tuple[str, str]:
        """Access token for this resource, and ID token, by authorization code and PKCE (RFC 7636, RFC 8707)."""
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(12)
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": "workbench", "response_type": "code", "redirect_uri": CALLBACK, "state": state,
            "scope": "openid countersign_task", "resource": resource,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        with httpx.Client(base_url=self.issuer, trust_env=False, timeout=PATIENCE) as browser:
            place = _login(browser, asked, person, password)
            came = {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}
            assert (came["state"], came["iss"]) == (state, self.issuer)
            form = {
                "grant_type": "authorization_code", "client_id": "workbench", "code": came["code"],
                "redirect_uri": CALLBACK, "code_verifier": verifier, "resource": resource,
            }  # fmt: skip
            answer = browser.post("/token", data=form)
            return _token(answer), str(answer.json()["id_token"])

    def own(self, agent: str, key: str, resource: str, now: float) -> str:
        """An agent's own access token for this resource, by client credentials and its key (RFC 7523)."""
        said = {"iss": agent, "sub": agent, "aud": self.issuer, "iat": int(now), "exp": int(now) + 60}
        shown = sign(said | {"jti": secrets.token_hex(8)}, {"alg": "ES256", "kid": key}, name=key)
        form = {
            "grant_type": "client_credentials", "client_id": agent, "resource": resource, "scope": "countersign_task",
            "client_assertion_type": ASSERTION, "client_assertion": shown,
        }  # fmt: skip
        return _token(httpx.post(f"{self.issuer}/token", data=form, trust_env=False, timeout=PATIENCE))


def _login(browser: httpx.Client, asked: dict[str, str], person: str, password: str) -> str:
    """Through the pages, as a browser goes: where the provider sends it in the end."""
    answer = browser.get("/auth", params=asked)
    for _ in range(8):
        if answer.is_redirect:
            place = answer.headers["location"]
            if place.startswith(CALLBACK):
                return str(place)
            answer = browser.get(place)
        else:
            assert answer.status_code == 200, answer.text
            page = _Form()
            page.feed(answer.text)
            assert page.fields == ["login", "password"], answer.text
            answer = browser.post(page.action, data={"login": person, "password": password})
            if answer.status_code == 403:
                raise PermissionError(answer.text)
    raise AssertionError("the provider sends in circles")


def _token(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


class _Form(HTMLParser):
    """The one form of a page: where it goes, and the names of its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action, self.fields = "", list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.action = found["action"] or ""
        elif tag == "input":
            self.fields.append(found["name"] or "")


@contextlib.contextmanager
def identity_provider(resource: str, agents: dict[str, str]) -> Iterator[IdentityProvider]:
    """The provider, running: it knows two people, and these agents (name: key) with tokens for this resource."""
    workbench = {
        "client_id": "workbench", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"], "response_types": ["code"],
    }  # fmt: skip
    machines = [
        {
            "client_id": agent, "redirect_uris": [], "response_types": [], "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
            "jwks": {"keys": [jwk("ES256", key)]}, "scope": "countersign_task",
        }
        for agent, key in agents.items()
    ]  # fmt: skip
    given = {"resource": resource, "people": PEOPLE, "clients": [workbench, *machines]}
    command = [*program(), json.dumps(given)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            issuer = process.stdout.readline().strip()
            assert issuer, "the provider does not start"
            yield IdentityProvider(issuer)
        finally:
            process.kill()
