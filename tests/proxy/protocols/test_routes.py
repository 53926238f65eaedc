"""Which route a path takes, and which paths could take more than one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocols.routes import AmbiguousRoute, Routes, check_method, parse_template

TABLE = (
    "/v1/customers",
    "/v1/customers/{id}",
    "/v1/customers/search",
    "/v1/customers/{id}/orders/{order}",
    "/v1/files/{name}.json",
    "/v1/jobs/{job}:cancel",
    "/v1/{thing}",
    "/v2/slashed/",
    "/x/{a}/c",
    "/x/b/{d}",
    "/",
)


def routes() -> Routes[str]:
    found: Routes[str] = Routes()
    for text in TABLE:
        assert found.add("GET", parse_template(text), text) is None
    return found


ROUTES = routes()

MATCHED: dict[tuple[str, ...], tuple[str, dict[str, str]] | None] = {
    (): ("/", {}),
    ("v1", "customers"): ("/v1/customers", {}),
    ("v1", "customers", "c_7"): ("/v1/customers/{id}", {"id": "c_7"}),
    ("v1", "customers", "C_7.x y"): ("/v1/customers/{id}", {"id": "C_7.x y"}),
    ("v1", "customers", "search"): ("/v1/customers/search", {}),
    ("v1", "customers", "7", "orders", "9"): ("/v1/customers/{id}/orders/{order}", {"id": "7", "order": "9"}),
    ("v1", "files", "a.b.json"): ("/v1/files/{name}.json", {"name": "a.b"}),
    ("v1", "jobs", "j1:cancel"): ("/v1/jobs/{job}:cancel", {"job": "j1"}),
    ("v1", "other"): ("/v1/{thing}", {"thing": "other"}),
    ("v2", "slashed", ""): ("/v2/slashed/", {}),
    ("x", "1", "c"): ("/x/{a}/c", {"a": "1"}),
    ("v1", "files", ".json"): None,
    ("v3",): None,
    ("v1", "customers", "7", "orders"): None,
}


@pytest.mark.parametrize(("segments", "expected"), MATCHED.items())
def test_the_most_exact_route_is_taken(segments: tuple[str, ...], expected: tuple[str, dict[str, str]] | None) -> None:
    """A literal wins over a parameter, and parameters capture what is there."""
    found = ROUTES.match("GET", segments)
    assert (found and (found.target, found.values)) == expected


AMBIGUOUS = {
    "two routes, neither more exact": ("x", "b", "c"),
    "other letter case": ("V1", "customers"),
    "other letter case, hidden by a parameter": ("v1", "Customers"),
    "other letter case of a deeper literal": ("v1", "customers", "SEARCH"),
    "final slash": ("v1", "customers", ""),
    "final slash after a parameter": ("v1", "customers", "7", ""),
    "missing final slash": ("v2", "slashed"),
    "path parameters": ("v1", "customers;a=b"),
    "path parameters on a deeper literal": ("v1", "customers", "search;x"),
    "final dot": ("v1", "customers."),
    "final space": ("v1", "customers", "search "),
    "full-width letters": ("v1", "\uff43ustomers"),
}


@pytest.mark.parametrize("segments", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_a_path_that_a_lax_server_routes_elsewhere_is_ambiguous(segments: tuple[str, ...]) -> None:
    """No spelling can reach one handler upstream while policy sees another tool, or none."""
    with pytest.raises(AmbiguousRoute):
        ROUTES.match("GET", segments)


def test_methods_have_their_own_routes() -> None:
    """A path of one method is no path of another."""
    assert ROUTES.match("POST", ("v1", "customers")) is None
    assert ROUTES.match("get", ("v1", "customers")) is None


def test_the_same_route_twice_is_reported() -> None:
    """Two templates that match the same paths are one route, whatever their parameters are called."""
    found = routes()
    assert found.add("GET", parse_template("/v1/customers/{name}"), "again") == "/v1/customers/{id}"


BAD = {
    "v1/x": "must start",
    "/v1?x=1": "plain path",
    "/v1/%41": "plain path",
    "/v1//x": "must not hold",
    "/v1/../x": "must not hold",
    "/v1/{a}/{a}": "twice",
    "/v1/{a}{b}": "two parameters",
    "/v1/{a": "brace",
    "/v1/a}": "brace",
    "/v1/{a}}": "brace",
    "/v1/{}": "brace",
}


@pytest.mark.parametrize(("text", "why"), BAD.items())
def test_a_template_that_is_none_is_explained(text: str, why: str) -> None:
    """A template with two readings is a mistake with words."""
    with pytest.raises(ValueError, match=why):
        parse_template(text)


@pytest.mark.parametrize("method", ["get", "", "CONNECT", "TRACE", "GET POST", "G3T"])
def test_a_method_that_is_none_is_explained(method: str) -> None:
    """A route's method is written as it stands on the wire."""
    with pytest.raises(ValueError, match="not a method"):
        check_method(method)


SEGMENT = st.sampled_from(["v1", "V1", "customers", "Customers", "search", "7", "x", "b", "c", "", "orders", "a.json"])


@given(st.lists(SEGMENT, max_size=6))
def test_a_match_always_rebuilds_its_path(segments: list[str]) -> None:
    """What a route captured, put back into its template, is the path again."""
    try:
        found = ROUTES.match("GET", tuple(segments))
    except AmbiguousRoute:
        return
    if found is not None:
        text = found.target
        for name, value in found.values.items():
            text = text.replace("{" + name + "}", value)
        assert text == "/" + "/".join(segments)


SLASHED = Routes[str]()
for text in ("/projects/{id}", "/projects/{id}/issues", "/{package}", "/{package}/{version}", "/repos/{owner}/{name}",
             "/repos/{owner}/{name}/delete", "/admin/export", "/x/{a}/{b}", "/x/{a}/{b}.json/{c}"):  # fmt: skip
    SLASHED.add("GET", parse_template(text), text)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (("projects", "group/name"), "/projects/{id}"),
        (("projects", "group/name", "issues"), "/projects/{id}/issues"),
        (("@scope/name",), "/{package}"),
        (("@scope/name", "1.0"), "/{package}/{version}"),
        (("a/b/c/d",), "/{package}"),
    ],
)
def test_a_slash_within_a_segment_is_a_part_of_its_parameter(segments: tuple[str, ...], expected: str) -> None:
    """The route is that of the segments as they are, and the parameter holds the slash."""
    found = SLASHED.match("GET", segments)
    assert found is not None
    assert found.target == expected
    assert next(one for one in segments if "/" in one) in found.values.values()


@pytest.mark.parametrize(
    "segments",
    [
        ("admin/export",),
        ("Admin/EXPORT",),
        ("projects/7",),
        ("projects", "group/issues"),
        ("repos", "a/b", "delete"),
        ("repos/a", "b"),
        ("repos/a/b", "delete"),
        ("x", "a/b.json", "c"),
        ("projects/7", "issues", ""),
    ],
)
def test_a_slash_within_a_segment_leads_to_no_other_route(segments: tuple[str, ...]) -> None:
    """What a server that decodes it first would take for a route that names more of the path is no route at all."""
    with pytest.raises(AmbiguousRoute):
        SLASHED.match("GET", segments)
