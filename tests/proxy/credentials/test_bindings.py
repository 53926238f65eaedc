"""Which binding a request gets."""

from typing import Any

import pytest

from proxy.credentials.bindings import binding_for, parameters_of, place_of
from proxy.errors import Refused
from proxy.facts import Binding, Service, StaticBinding
from proxy.stages import Request


def binding(name: str, *paths: str, methods: tuple[str, ...] = ("GET",)) -> Binding:
    """A binding for these paths."""
    return StaticBinding(id=name, secret="env:CRM_TOKEN", methods=methods, paths=paths)


def service(*bindings: Binding, url: str = "https://crm.example") -> Service:
    """A service with these bindings."""
    return Service(id="crm", owner="olga", url=url, bindings=bindings)


def request(path: str = "/v1/orders/7", **changes: Any) -> Request:
    """A request to the service."""
    good = {
        "method": "GET", "scheme": "https", "host": "crm.example", "port": 443, "path": path, "query": "",
        "headers": (), "body": b"",
    }  # fmt: skip
    return Request(**(good | changes))


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("/v1/orders", ["/v1/orders"], ["/v1/orders/", "/v1/orders/7", "/v1/order", "/v1", "/V1/orders", "/"]),
        ("/v1/orders/{id}", ["/v1/orders/7", "/v1/orders/a b"], ["/v1/orders", "/v1/orders/", "/v1/orders/7/items"]),
        ("/v1/{a}/{b}", ["/v1/x/y"], ["/v1/x", "/v1//y", "/v1/x/"]),
        ("/v1/*", ["/v1/", "/v1/orders", "/v1/orders/7"], ["/v1", "/v2/orders", "/v10/orders"]),
        ("/*", ["/", "/anything", "/a/b/c"], []),
        ("/projects/{id}", ["/projects/a%2Fb"], ["/projects/a/b", "/projects%2Fa"]),
        ("/admin/*", ["/admin/x"], ["/admin%2Fx", "/admin%2fx/y"]),
        ("/", ["/"], ["/a", ""]),
        ("/a/*/c", ["/a/*/c"], ["/a/b/c"]),
        ("/a/{id", ["/a/{id"], ["/a/7"]),
        ("/a/id}", ["/a/id}"], ["/a/7"]),
        ("/v1/orders*", ["/v1/orders*"], ["/v1/orders", "/v1/orders7"]),
        ("", [], ["/", "/a"]),
        ("*", [], ["*x"]),
    ],
)
def test_patterns(pattern: str, matching: list[str], other: list[str]) -> None:
    """A segment in braces is one segment, a last `*` is everything below, anything else is itself."""
    crm = service(binding("only", pattern))
    for path in matching:
        assert binding_for(crm, request(path)) is crm.bindings[0], path
    for path in other:
        assert binding_for(crm, request(path)) is None, path


def test_of_several_paths_the_one_that_says_most_counts() -> None:
    """Wherever it stands among the paths of its binding."""
    for paths in (("/v1/*", "/v1/orders"), ("/v1/orders", "/v1/*")):
        crm = service(binding("several", *paths), binding("other", "/v1/{name}"))
        assert binding_for(crm, request("/v1/orders")) is crm.bindings[0]
        assert binding_for(crm, request("/v1/people")) is crm.bindings[1]


def test_the_most_specific_binding_wins() -> None:
    """Segment for segment from the left: itself before braces before everything; then a method by name."""
    crm = service(
        binding("any", "/*", methods=("*",)),
        binding("get", "/*"),
        binding("orders", "/v1/orders/*"),
        binding("order", "/v1/orders/{id}"),
        binding("seven", "/v1/orders/7", "/v1/{kind}/9"),
    )
    for order in (crm, service(*reversed(crm.bindings))):
        chosen = {
            (method, path): getattr(binding_for(order, request(path, method=method)), "id", None)
            for method, path in [
                ("POST", "/v1/orders/7"), ("GET", "/v2"), ("GET", "/v1/orders/7/x"), ("GET", "/v1/orders/8"),
                ("GET", "/v1/orders/7"), ("GET", "/v1/orders/9"), ("GET", "/v1/items/9"),
            ]
        }  # fmt: skip
        assert list(chosen.values()) == ["any", "get", "orders", "order", "seven", "order", "seven"]


@pytest.mark.parametrize("path", ["/users/@me/keys", "/users/%40me/keys", "/projects/a%2Fb/x", "/projects/a%2fb/x"])
def test_no_spelling_of_a_path_gets_another_credential(path: str) -> None:
    """A binding for a place is that of every spelling of it: an agent does not choose by writing `%40` or `%2f`."""
    crm = service(binding("narrow", "/users/@me/*", "/projects/a%2fb/*"), binding("broad", "/*"))
    assert binding_for(crm, request(path)) is crm.bindings[0]


@pytest.mark.parametrize(("one", "two"), [("/v1/{a}", "/v1/{b}"), ("/v1/x", "/v1/x"), ("/v1/*", "/v1/*")])
def test_two_that_match_equally_are_a_refusal(one: str, two: str) -> None:
    """Which secret is meant must not depend on the order of a file."""
    with pytest.raises(Refused) as caught:
        binding_for(service(binding("one", one), binding("two", two)), request("/v1/x"))
    assert (caught.value.refusal.reason, caught.value.refusal.status) == ("credential_ambiguous", 503)


@pytest.mark.parametrize(
    "changes",
    [{"host": "evil.example"}, {"port": 8443}, {"scheme": "http"}, {"host": "crm.example.evil"}, {"method": "POST"}],
)
def test_a_secret_stays_with_its_own_place(changes: dict[str, Any]) -> None:
    """Another host, port, scheme or method gets nothing."""
    crm = service(binding("all", "/*"))
    assert binding_for(crm, request()) is not None
    assert binding_for(crm, request(**changes)) is None


def test_what_is_empty_matches_nothing() -> None:
    """No bindings, no methods or no paths: no secret."""
    assert binding_for(service(), request()) is None
    assert binding_for(service(binding("a", "/*", methods=())), request()) is None
    assert binding_for(service(binding("a")), request()) is None


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://CRM.example", ("https", "crm.example", 443)),
        ("http://127.0.0.1:8080/base", ("http", "127.0.0.1", 8080)),
        ("https://[::1]:8443", ("https", "::1", 8443)),
    ],
)
def test_places(url: str, place: tuple[str, str, int]) -> None:
    """A URL names one scheme, host and port."""
    assert place_of(url) == place


def test_a_parameter_carries_a_credential_where_its_binding_matches() -> None:
    """By place, method and path, whichever binding is the best one; elsewhere the same name is like any other."""
    by_key = StaticBinding(id="key", secret="env:CRM_TOKEN", methods=("GET",), paths=("/v1/*",), query="key")
    crm = service(by_key, binding("header", "/v1/orders/*"))
    assert parameters_of(crm, request()) == {"key"}
    assert parameters_of(crm, request("/v1/things")) == {"key"}
    assert parameters_of(crm, request("/v2/things")) == frozenset()
    assert parameters_of(crm, request(method="POST")) == frozenset()
    assert parameters_of(crm, request(host="other.example")) == frozenset()
    assert parameters_of(service(binding("header", "/*")), request()) == frozenset()
