"""Which calls touch which datasets."""

from collections.abc import Mapping

import pytest

from policies.model import DatasetUse, Json
from proxy.facts import Dataset, Selector
from proxy.protocols.datasets import compile_selectors, datasets_of


def uses(selector: Selector, tool: str | None, path: str, arguments: Mapping[str, Json]) -> bool:
    compiled = compile_selectors([Dataset(id="d", owner="alice", selectors=(selector,))])
    return bool(datasets_of(compiled["crm"], tool, path, arguments))


def select(**conditions: object) -> Selector:
    return Selector.model_validate({"service": "crm", "access": "read", **conditions})


FITS: list[tuple[Selector, str | None, str, Mapping[str, Json], bool]] = [
    (select(), None, "/any", {}, True),
    (select(tools=["a"]), "a", "/", {}, True),
    (select(tools=["a"]), "b", "/", {}, False),
    (select(tools=["a"]), None, "/", {}, False),
    (select(paths=["/v1/customers"]), None, "/v1/customers", {}, True),
    (select(paths=["/v1/customers"]), None, "/v1/customers/", {}, True),
    (select(paths=["/v1/customers"]), None, "/V1/Customers", {}, True),
    (select(paths=["/v1/customers"]), None, "/v1/customers/7", {}, False),
    (select(paths=["/v1/*/7"]), None, "/v1/customers/7", {}, True),
    (select(paths=["/v1/{kind}/7"]), None, "/v1/customers/7", {}, True),
    (select(paths=["/v1/*"]), None, "/v1/customers/7", {}, False),
    (select(paths=["/v1/**"]), None, "/v1/customers/7", {}, True),
    (select(paths=["/v1.x"]), None, "/v1ax", {}, False),
    (select(arguments={"table": "pii"}), "a", "/", {"table": "pii"}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"table": "PII"}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"table": ["orders", "pii"]}, True),
    (select(paths=["/v1/customers"]), None, "/v1/customers.", {}, True),
    (select(paths=["/v1/customers"]), None, "/v1/customers ", {}, True),
    (select(paths=["/v1/customers."]), None, "/v1/customers.", {}, True),
    (select(paths=["/v1/größen"]), None, "/V1/GRO\u0308SSEN", {}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"Table": "pii"}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"table ": " \uff50ii"}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"table[]": "pii"}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"table[0]": ["x", "pii"]}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"table": {"$eq": "pii"}}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"table": "orders, PII"}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"x": [1] * 20_000, "table": "pii"}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"x": [1] * 20_000}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"x": [1] * 5_000}, False),
    (select(arguments={"table": "pii"}), "a", "/", {"tables": "pii"}, False),
    (select(arguments={"table": "pii"}), "a", "/", {"from": {"table": "pii"}}, False),
    (select(arguments={"from.table": "pii"}), "a", "/", {"from[table]": "pii"}, True),
    (select(arguments={"from.table": "pii"}), "a", "/", {"from.Table": "pii"}, True),
    (select(arguments={"from.table": "pii"}), "a", "/", {"from[0][table]": "pii"}, True),
    (select(arguments={"table": "pii"}), "a", "/", {"table": "orders"}, False),
    (select(arguments={"table": "pii"}), "a", "/", {}, False),
    (select(arguments={"table": ["pii", "hr"]}), "a", "/", {"table": "hr"}, True),
    (select(arguments={"from.table": "pii"}), "a", "/", {"from": {"table": "pii"}}, True),
    (select(arguments={"from.table": "pii"}), "a", "/", {"from": [{"table": "x"}, {"table": "pii"}]}, True),
    (select(arguments={"from.table": "pii"}), "a", "/", {"from": "pii"}, False),
    (select(arguments={"id": 7}), "a", "/", {"id": "7"}, True),
    (select(arguments={"id": 7}), "a", "/", {"id": 7.0}, True),
    (select(arguments={"id": 1}), "a", "/", {"id": True}, False),
    (select(arguments={"all": True}), "a", "/", {"all": True}, True),
    (select(arguments={"filter": {"a": 1}}), "a", "/", {"filter": {"a": 1}}, True),
    (select(tools=["a"], arguments={"x": 1}), "a", "/", {}, False),
    (select(arguments={"x": []}), "a", "/", {"x": 1}, False),
]


@pytest.mark.parametrize(("selector", "tool", "path", "arguments", "expected"), FITS)
def test_every_condition_that_is_given_must_hold(
    selector: Selector, tool: str | None, path: str, arguments: Mapping[str, Json], expected: bool
) -> None:
    """A selector fits when its tools, its paths and its arguments all fit; spelling does not hide a dataset."""
    assert uses(selector, tool, path, arguments) is expected


def test_each_use_is_named_once_and_each_access_for_itself() -> None:
    """Two selectors that say the same are one use; reading and writing are two."""
    dataset = Dataset(
        id="d", owner="alice", selectors=(select(), select(tools=["a"]), select(tools=["a"], access="write"))
    )
    compiled = compile_selectors([dataset])
    assert datasets_of(compiled["crm"], "a", "/", {}) == (DatasetUse("d", "read"), DatasetUse("d", "write"))


@pytest.mark.parametrize(
    ("selected", "path", "expected"),
    [
        ("/projects/{id}/files", "/projects/group%2Fname/files", True),
        ("/projects/secret/**", "/projects/secret%2Fplans", True),
        ("/projects/secret/plans", "/projects/SECRET%2Fplans", True),
        ("/projects/secret%2Fplans", "/projects/secret%2Fplans", True),
        ("/projects/{id}", "/projects/group%2Fname", True),
        ("/projects/{id}", "/projects/group/name", False),
        ("/projects/open/**", "/projects/secret%2Fplans", False),
    ],
)
def test_an_encoded_slash_hides_no_dataset(selected: str, path: str, expected: bool) -> None:
    """What is found with the slash as a part of its segment, and what is found with it as a separator."""
    assert uses(select(paths=[selected]), None, path, {}) is expected
