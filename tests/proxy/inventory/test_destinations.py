"""The rules of a service."""

import pytest

from proxy.errors import ConfigurationError
from tests.fakes.inventories import PEOPLE, load_inventory, write_inventory

CRM = "services:\n  - id: crm\n    owner: alice\n    url: https://crm.example/api\n"
KEY = "    bindings: [{id: k, secret: env:K, methods: [GET], paths: [/a]}]\n"


def mistakes_of(folder, monkeypatch, services: str) -> list[str]:
    monkeypatch.chdir(folder)
    path = folder / "inventory"
    write_inventory(path, services=services, agents="")
    try:
        load_inventory(path)
    except ConfigurationError as wrong:
        return [line.removeprefix("inventory/services.yaml:") for line in str(wrong).splitlines()]
    return []


def crm(*lines: str, url: str = "https://crm.example/api") -> str:
    return CRM.replace("https://crm.example/api", url) + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        (crm(url="https://a:b@crm.example"),
         ["4: services[crm].url: must not hold a user name or password; give the credential as a binding"]),
        (crm(url="https://crm.example/?q=1"),
         ["4: services[crm].url: must not hold a query or fragment; end it after the path"]),
        (crm(url="crm.example"),
         ["4: services[crm].url: must start with `https://` or `http://`, in lower case, and a host"]),
        (crm(url="http://10.0.0.7"),
         [("4: services[crm].url: names the private address `10.0.0.7`; set `allow_private_addresses: true` "
          "if that is meant")]),
        (crm("connect: crm.internal"),
         ["5: services[crm].connect: must be `host:port`, for example 127.0.0.1:8080 or [::1]:8080"]),
        (crm("connect: 10.0.0.7:443"),
         [("5: services[crm].connect: names the private address `10.0.0.7`; set `allow_private_addresses: true` "
          "if that is meant")]),
        (crm("answer_seconds: 0"), ["5: services[crm].answer_seconds: must be at least 1"]),
        (crm("silence_seconds: 0"), ["5: services[crm].silence_seconds: must be at least 1"]),
        (crm("paths: {encoded_slash: yes}"),
         ["5: services[crm].paths.encoded_slash: `yes` is not one of `refused`, `allowed`"]),
        (crm("protocol: mcp", "paths: {encoded_slash: allowed}"),
         ["6: services[crm].paths: has no effect on an MCP service, which has one path; remove it"]),
        (crm("paths: {encoded_slash: allowed}", "bindings:",
             "  - {id: k, kind: aws_sigv4, region: eu-west-1, service: s3, access_key_id: env:A,",
             "     secret_access_key: env:B, methods: [GET], paths: ['/*']}"),
         [("7: services[crm].bindings[k].service: is S3, which takes an encoded slash for a separator; remove "
          "`paths.encoded_slash`")]),
        (crm("openapi: none.json"),
         ["5: services[crm].openapi: `inventory/none.json` cannot be read: no such file or directory"]),
        (crm("ca_bundle: people.yaml"),
         ["5: services[crm].ca_bundle: `inventory/people.yaml` holds no PEM certificate"]),
        (crm("ca_bundle: people.yaml", url="http://crm.example"),
         ["5: services[crm].ca_bundle: has no effect on an `http://` URL; remove it, or use `https://`",
          "5: services[crm].ca_bundle: `inventory/people.yaml` holds no PEM certificate"]),
        (crm("tools: [{name: t}]"),
         [("5: services[crm].tools[t].route: is missing, so no request can ever be this tool; "
          "add `method` and `path`")]),
        (crm("tools: [{name: t, route: {method: get, path: a}}]"),
         [("5: services[crm].tools[t].route.method: must be a method in capitals, such as `GET`; "
          "not `CONNECT` or `TRACE`"),
          "5: services[crm].tools[t].route.path: must start with `/`"]),
        (crm("tools: [{name: t, route: {method: GET, path: '/a/{x}{id}'}}]"),
         [("5: services[crm].tools[t].route.path: has the segment `{x}{id}`; each is plain text "
          "with at most one `{name}` in it")]),
        (crm("tools: [{name: t, route: {method: GET, path: '/{id}/{id}'}}]"),
         ["5: services[crm].tools[t].route.path: has `{id}` twice; give each its own name"]),
        (crm("tools:", "  - {name: t, route: {method: GET, path: '/a/{x}'}}",
             "  - {name: u, route: {method: GET, path: '/a/{y}'}}"),
         ["7: services[crm].tools[u].route: matches the same requests as the route of `t`; keep one"]),
        (crm("tools:", "  - {name: t, route: {method: GET, path: /a}}",
             "  - {name: t, route: {method: GET, path: /b}}"),
         ["7: services[crm].tools[t].name: `t` is here twice; keep one"]),
        (crm("tools: [{name: a b, route: {method: GET, path: /a}}]"),
         ["5: services[crm].tools[a b].name: must be visible ASCII characters"]),
        (crm("protocol: mcp", "openapi: people.yaml", "tools: [{name: t, route: {method: GET, path: /a}}]"),
         ["6: services[crm].openapi: is for REST services; an MCP server describes its tools itself",
          "7: services[crm].tools[t].route: is for REST services; an MCP tool is found by its name"]),
        (crm("effct: read", "trust: inner"),
         ["6: services[crm].trust: `inner` is not one of `internal`, `partner`, `public`; did you mean `internal`?",
          ("5: services[crm].effct: is not a field here; known are `id`, `owner`, `deputies`, `url`, `protocol`, "
          "`trust`, `environment`, `labels`, `tools`, `openapi`, `bindings`, `connect`, `ca_bundle`, "
          "`allow_private_addresses`, `allow_websocket`, "
              "`agent`, `onward`, `client_keys`, `answer_seconds`, `silence_seconds`, `paths`")]),
    ],
)  # fmt: skip
def test_each_mistake_of_a_service_is_located(tmp_path, monkeypatch, services, expected):
    """The exact lines for a service that could not work, or not safely."""
    assert mistakes_of(tmp_path, monkeypatch, services) == expected


PLAIN = (
    "5: services[crm].bindings[k]: would send a secret in plain text, since the service's `url` is `http://`; "
    "use `https://` (only a loopback host with `allow_private_addresses: true` may do without)"
)


@pytest.mark.parametrize(
    ("url", "extra", "refused"),
    [
        ("http://crm.example", "", True),
        ("http://crm.example", "    allow_private_addresses: true\n", True),
        ("http://10.0.0.7", "    allow_private_addresses: true\n", True),
        ("http://127.0.0.1:9", "    allow_private_addresses: true\n    connect: crm.example:80\n", True),
        ("http://127.0.0.1:9", "    allow_private_addresses: true\n    connect: crm.example\n", True),
        ("http://127.0.0.1:9", "    allow_private_addresses: true\n", False),
        ("http://localhost:9", "    allow_private_addresses: true\n    connect: 127.0.0.1:8\n", False),
        ("https://crm.example", "", False),
    ],
)
def test_a_secret_goes_over_plain_http_only_on_this_machine(tmp_path, monkeypatch, url, extra, refused):
    """A binding on `http://` is a mistake unless the host is loopback, and private addresses were allowed."""
    found = mistakes_of(tmp_path, monkeypatch, crm(url=url) + KEY + extra)
    assert (PLAIN in found) == refused
    assert bool(found) == refused


def test_two_services_never_claim_the_same_requests(tmp_path, monkeypatch):
    """The same scheme, host, port and path is a mistake however it is spelled; a path of its own is not."""
    other = "  - {id: two, owner: alice, url: 'https://crm.example:443/api/'}\n"
    assert mistakes_of(tmp_path, monkeypatch, CRM + other) == [
        "5: services[two].url: is also the URL of `crm` (inventory/services.yaml:2); give each its own path"
    ]
    assert mistakes_of(tmp_path, monkeypatch, CRM + other.replace("/api/", "/api/v2")) == []


@pytest.mark.parametrize("extra", ["connect: 'a.example:443'", "allow_private_addresses: true"])
def test_two_services_on_one_host_are_reached_in_one_way(tmp_path, monkeypatch, extra):
    """Services that share host and port cannot differ in where, or how strictly, they are connected to."""
    other = f"  - {{id: two, owner: alice, url: 'https://crm.example/two', {extra}}}\n"
    assert mistakes_of(tmp_path, monkeypatch, CRM + other) == [
        (
            "5: services[two].url: is on the same host and port as `crm` (inventory/services.yaml:2), so both need the "
            "same scheme, `connect`, `ca_bundle` and `allow_private_addresses`"
        )
    ]


def test_the_fixture_itself_is_good(tmp_path, monkeypatch):
    """The service that the tables above spoil has no mistake of its own."""
    assert PEOPLE
    assert mistakes_of(tmp_path, monkeypatch, CRM + KEY) == []
