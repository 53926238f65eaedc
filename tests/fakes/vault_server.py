"""A small stand-in for OpenBao over real HTTP: AppRole, a database engine with leases, KV version 2."""

import json

from tests.fakes.authorities import Answer, Authority, Seen, as_json

ROOT = "root-token-of-the-proxy"


class VaultServer(Authority):
    """Leases end with the token that took them, as in the real one."""

    def __init__(self, role: str, secret: str) -> None:
        super().__init__()
        self.shown = {"role_id": role, "secret_id": secret}
        self.tokens = {ROOT}
        self.leases: dict[str, str] = {}
        self.token_life = 7200
        self.logins = 0

    def respond(self, seen: Seen) -> Answer:
        path = seen.path.removeprefix("/v1/")
        token = seen.headers.get("x-vault-token", "")
        if path == "auth/approle/login":
            if json.loads(seen.body) != self.shown:
                return as_json(400, {"errors": ["invalid role or secret ID"]})
            self.logins += 1
            self.tokens.add(f"login-token-{self.logins}")
            auth = {"client_token": f"login-token-{self.logins}", "lease_duration": self.token_life}
            return as_json(200, {"auth": auth})
        if token not in self.tokens or seen.headers.get("x-vault-request") != "true":
            return as_json(403, {"errors": ["permission denied"]})
        if path == "auth/token/revoke-self":
            self.tokens.discard(token)
            self.leases = {lease: owner for lease, owner in self.leases.items() if owner != token}
            return 204, {}, b""
        if path == "sys/leases/revoke":
            self.leases.pop(json.loads(seen.body)["lease_id"], None)
            return 204, {}, b""
        return self._read(path, token)

    def _read(self, path: str, token: str) -> Answer:
        number = self.number()
        if path == "database/creds/readonly":
            lease = f"database/creds/readonly/{number}"
            self.leases[lease] = token
            data = {"username": f"v-{number}", "password": f"dynamic-password-{number}"}
            return as_json(200, {"lease_id": lease, "lease_duration": self.life, "renewable": True, "data": data})
        if path == "secret/data/crm":
            data = {"data": {"key": f"stored-key-{number}", "number": 7}, "metadata": {"version": 1}}
            return as_json(200, {"lease_id": "", "lease_duration": 0, "renewable": False, "data": data})
        return as_json(404, {"errors": []})
