"""What a child of `countersign run` finds in its environment."""

from pathlib import Path

from proxy.cli.environment import BUNDLE_VARIABLES, PROXY_VARIABLES, WAYS_AROUND, agent_environment


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
    """What of the parent would let a host be reached directly is emptied, in every spelling."""
    made = environment(NO_PROXY="*", no_proxy="crm.example", no_grpc_proxy="*", grpc_proxy="http://elsewhere")
    for name in WAYS_AROUND:
        assert made[name] == ""
    assert made["grpc_proxy"] == made["https_proxy"]


def test_what_is_not_ours_is_inherited() -> None:
    """Variables that we do not set reach the child as they were."""
    assert environment(LANG="de_DE.UTF-8")["LANG"] == "de_DE.UTF-8"


def test_node_is_told_to_read_the_environment() -> None:
    """Node ignores proxy variables unless it is told to read them."""
    assert environment()["NODE_USE_ENV_PROXY"] == "1"


def test_the_operators_own_variables_are_not_the_agents() -> None:
    """Where our configuration lies is not told to the child."""
    assert "COUNTERSIGN_CONFIG" not in environment(COUNTERSIGN_CONFIG="countersign.yaml")


def test_without_a_gateway_none_is_named() -> None:
    """An empty gateway gives an empty variable, not half an address."""
    made = agent_environment({}, agent="a", handle="h", proxy="127.0.0.1:1", gateway="", bundle=Path("b"))
    assert made["COUNTERSIGN_GATEWAY"] == ""
