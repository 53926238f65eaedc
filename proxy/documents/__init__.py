"""Files that people write: YAML in, frozen models out, and every mistake with its place."""

from proxy.documents.model import nearest, read_model, validate
from proxy.documents.tree import Document, read_bytes, read_tree, shown

__all__ = ["Document", "nearest", "read_bytes", "read_model", "read_tree", "shown", "validate"]
