"""What a child of `countersign run` finds in its environment."""

from pathlib import Path

from proxy.cli.environment import BUNDLE_VARIABLES, PROXY_VARIABLES, agent_environment


def environment(**inherited: str) -> dict[str, str]:
    return agent_environment(
        inherited,
        agent="support-bot",
        handle="csh_a/b",
        proxy="127.0.0.1:8080",
        gateway="127.0.0.1:8081",
        bundle=Path("bundle.pem"),
    )


def test_every_proxy_variable_carries_the_handle_as_password() -> None:
    """Each spelling names the proxy with the agent as user and the escaped handle as password."""
    made = environment()
    for name in PROXY_VARIABLES:
        assert made[name] == "http://support-bot:csh_a%2Fb@127.0.0.1:8080"


def test_every_trust_variable_names_the_bundle() -> None:
    """Each client that reads its roots from the environment finds the system's roots and ours."""
    made = environment(SSL_CERT_FILE="elsewhere.pem")
    for name in BUNDLE_VARIABLES:
        assert made[name] == "bundle.pem"


def test_an_inherited_way_around_the_proxy_is_closed() -> None:
    """NO_PROXY of the parent is emptied in both spellings, so that no host is reached directly."""
    made = environment(NO_PROXY="*", no_proxy="crm.example")
    assert made["NO_PROXY"] == ""
    assert made["no_proxy"] == ""


def test_what_is_not_ours_is_inherited() -> None:
    """Variables that we do not set reach the child as they were."""
    assert environment(LANG="de_DE.UTF-8")["LANG"] == "de_DE.UTF-8"


def test_node_is_told_to_read_the_environment() -> None:
    """Node ignores proxy variables unless it is told to read them."""
    assert environment()["NODE_USE_ENV_PROXY"] == "1"
