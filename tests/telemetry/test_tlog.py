"""The tree, against the reference vectors of RFC 6962 implementations, and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import ProofError
from telemetry.tlog import (
    EMPTY_ROOT,
    Frontier,
    fold,
    inclusion_proof,
    leaf_hash,
    root,
    verify_inclusion,
)

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def node_of(leaves):
    """Nodes computed from leaf hashes in memory."""
    return lambda height, index: fold(leaves[index << height : index + 1 << height])


VECTOR_NODE = node_of([leaf_hash(leaf) for leaf in LEAVES])


def test_empty_root():
    """The root of no leaves is the hash of nothing."""
    assert root(0, VECTOR_NODE) == EMPTY_ROOT == Frontier().root()


@pytest.mark.parametrize("size", range(1, 9))
def test_root_vectors(size):
    """The root of the first `size` reference leaves is the published one, computed at once or by growing."""
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.push(leaf_hash(leaf))
    assert root(size, VECTOR_NODE).hex() == frontier.root().hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_inclusion_vectors(index, size, path):
    """The audit path is the published one, and verifies."""
    proof = inclusion_proof(index, size, VECTOR_NODE)
    assert [sibling.hex() for sibling in proof] == path
    verify_inclusion(index, size, leaf_hash(LEAVES[index]), proof, bytes.fromhex(ROOTS[size - 1]))


@st.composite
def trees(draw):
    size = draw(st.integers(1, 70))
    return [leaf_hash(bytes([number])) for number in range(size)]


@given(trees(), st.data())
def test_every_leaf_is_proven_and_no_other(leaves, data):
    """A proof holds for its own leaf, index and root, and for none of the others."""
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    node = node_of(leaves)
    top = root(size, node)
    proof = inclusion_proof(index, size, node)
    verify_inclusion(index, size, leaves[index], proof, top)
    wrong = [
        (index, size, leaf_hash(b"another"), proof, top),
        (index, size, leaves[index], proof, leaf_hash(b"another")),
        (index, size, leaves[index], [*proof, top], top),
        (index, size, leaves[index], proof[:-1] if proof else [top], top),
        (size, size, leaves[index], proof, top),
    ]
    if size > 1:
        wrong.append(((index + 1) % size, size, leaves[index], proof, top))
    for case in wrong:
        with pytest.raises(ProofError):
            verify_inclusion(*case)


@given(trees(), st.data())
def test_a_frontier_can_be_taken_up_anywhere(leaves, data):
    """A frontier made from stored nodes grows to the same root as one that saw every leaf."""
    size = data.draw(st.integers(0, len(leaves)))
    frontier = Frontier.at(size, node_of(leaves))
    for leaf in leaves[size:]:
        frontier.push(leaf)
    assert frontier.root() == root(len(leaves), node_of(leaves))


def test_a_frontier_reports_completed_tiles():
    """The 256th and 65,536th leaf complete a node of the next levels, with the hash of all they cover."""
    leaves = [leaf_hash(str(number).encode()) for number in range(65_536)]
    frontier = Frontier()
    completed = [done for leaf in leaves for done in frontier.push(leaf)]
    assert len(completed) == 257
    assert completed[0] == (1, fold(leaves[:256]))
    assert completed[-1] == (2, fold(leaves))


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_that_is_not_in_the_tree_has_no_proof(index, size):
    """Beyond the tree there is none, and none verifies."""
    with pytest.raises(ProofError):
        inclusion_proof(index, size, VECTOR_NODE)
    with pytest.raises(ProofError):
        verify_inclusion(index, size, EMPTY_ROOT, [], EMPTY_ROOT)


def test_a_frontier_needs_its_whole_edge():
    """A frontier with too few hashes is a mistake, not a smaller tree."""
    with pytest.raises(ValueError, match="edge"):
        Frontier(3, [EMPTY_ROOT])
