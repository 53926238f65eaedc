"""Merkle tree hashing, proofs and their verification (RFC 6962 section 2.1, RFC 9162 section 2.1). Pure."""

from collections.abc import Callable, Sequence
from hashlib import sha256

from telemetry.errors import ProofError

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
TILE_HEIGHT = 8
"""Nodes at heights 0, 8, 16 ... are the ones stored (C2SP tlog-tiles)."""

type Node = Callable[[int, int], bytes]
"""`node(height, index)`: the hash of the perfect subtree of leaves [index << height, (index + 1) << height)."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root of a perfect tree over these hashes; their number is a power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


class Frontier:
    """The right edge of a growing tree: enough to add leaves and to know the root, in O(log n) memory."""

    __slots__ = ("_edge", "size")

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        if len(edge) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} hashes on its edge, not {len(edge)}")
        self.size = size
        self._edge = list(edge)

    @classmethod
    def at(cls, size: int, node: Node) -> "Frontier":
        """The frontier of the first `size` leaves, from stored nodes."""
        edge, start = [], 0
        for height in reversed(range(size.bit_length())):
            if size >> height & 1:
                edge.append(node(height, start >> height))
                start += 1 << height
        return cls(size, edge)

    def push(self, leaf: bytes) -> list[tuple[int, bytes]]:
        """Add a leaf hash; return (level, hash) of each tile-level node that it completes."""
        completed: list[tuple[int, bytes]] = []
        size, current, height = self.size, leaf, 0
        while size & 1:
            current = node_hash(self._edge.pop(), current)
            size >>= 1
            height += 1
            if height % TILE_HEIGHT == 0:
                completed.append((height // TILE_HEIGHT, current))
        self._edge.append(current)
        self.size += 1
        return completed

    def copy(self) -> "Frontier":
        return Frontier(self.size, self._edge)

    def root(self) -> bytes:
        if not self._edge:
            return EMPTY_ROOT
        current = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            current = node_hash(left, current)
        return current


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def _range(low: int, high: int, node: Node) -> bytes:
    """The hash of leaves [low, high), where `low` is a multiple of the tree that covers them."""
    size = high - low
    if size & (size - 1) == 0:
        height = size.bit_length() - 1
        return node(height, low >> height)
    middle = low + _split(size)
    return node_hash(_range(low, middle, node), _range(middle, high, node))


def root(size: int, node: Node) -> bytes:
    """The Merkle tree hash of the first `size` leaves."""
    return _range(0, size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves, leaf's sibling first (RFC 6962 2.1.1)."""
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size} leaves")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range(middle, high, node))
            high = middle
        else:
            path.append(_range(low, middle, node))
            low = middle
    return path[::-1]


def _skip(position: int, last: int) -> tuple[int, int]:
    """Up to where the node is a right child: between, it has no sibling."""
    shift = (position & -position).bit_length() - 1 if position else 0
    return position >> shift, last >> shift


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Raise `ProofError` unless the leaf hash is at `index` in the tree with this root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size} leaves")
    position, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if position & 1 or position == last:
            current = node_hash(sibling, current)
            position, last = _skip(position, last)
        else:
            current = node_hash(current, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the inclusion proof is too short")
    if current != expected_root:
        raise ProofError("the inclusion proof leads to another root")
