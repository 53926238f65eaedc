"""Small stand-ins for AWS STS and GitHub, over real HTTP: each checks what the real one would check."""

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import jwt

from tests.fakes.authorities import Answer, Authority, Seen, as_json
from tests.fakes.delegations import NOW


def signature_of(seen: Seen, path: str, secret: str) -> str:
    """The signature that this request should have: AWS's rules, written down a second time."""
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=[^/]+/(\S+), SignedHeaders=(\S+), Signature=[0-9a-f]{64}",
        seen.headers["authorization"],
    )
    assert match is not None
    scope, names = match[1], match[2]
    lines = "".join(f"{name}:{' '.join(seen.headers[name].split())}\n" for name in names.split(";"))
    payload = hashlib.sha256(seen.body).hexdigest()
    canonical = f"{seen.method}\n{path}\n\n{lines}\n{names}\n{payload}"
    said = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{seen.headers['x-amz-date']}\n{scope}\n{said}"
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class StsServer(Authority):
    """`AssumeRole`, for one long-lived key."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret
        self.life = 900
        self.sessions: list[dict[str, str]] = []
        self.changed: dict[str, str] = {}

    def respond(self, seen: Seen) -> Answer:
        if not seen.headers["authorization"].endswith(signature_of(seen, quote(seen.path), self.secret)):
            return 403, {}, b"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>"
        self.sessions.append(seen.form)
        number = self.number()
        members = {
            "AccessKeyId": f"ASIAEXAMPLE{number}",
            "SecretAccessKey": f"session+secret/{number}",
            "SessionToken": f"session//token+{number}==",
            "Expiration": datetime.fromtimestamp(NOW + 100_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        } | self.changed
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in members.items() if name != "SourceIdentity")
        source = members.get("SourceIdentity", seen.form.get("SourceIdentity", ""))
        body = (
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
            f"<SourceIdentity>{source}</SourceIdentity><Credentials>{inner}</Credentials>"
            "</AssumeRoleResult></AssumeRoleResponse>"
        )
        return 200, {"content-type": "text/xml"}, body.encode()


class GitHubServer(Authority):
    """Installation tokens for one App."""

    def __init__(self, public_key: Any) -> None:
        super().__init__()
        self.public_key = public_key
        self.live: dict[str, dict[str, Any]] = {}
        self.changed: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}

    def respond(self, seen: Seen) -> Answer:
        bearer = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if (seen.method, seen.path) == ("DELETE", "/installation/token"):
            return (204, {}, b"") if self.live.pop(bearer, None) else (401, {}, b"{}")
        if (seen.method, seen.path) != ("POST", "/app/installations/7/access_tokens"):
            return as_json(404, {"message": "Not Found"})
        self.claims = jwt.decode(
            bearer, self.public_key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
        )
        asked = json.loads(seen.body)
        token = f"ghs_{self.number()}{'A' * 30}"
        self.live[token] = asked
        until = datetime.fromtimestamp(self.claims["iat"] + 60 + self.life, UTC)
        members = {
            "token": token,
            "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": asked["permissions"] | {"metadata": "read"},
            "repository_selection": "selected",
        }
        return as_json(201, members | self.changed)
