"""The words for how somebody was shown to be who they are."""

import ast
from pathlib import Path

from proxy.identity import methods

ROOT = Path(__file__).parents[3]


def test_every_word_is_one_of_the_methods() -> None:
    """A word that is added is among them, so that the pages that name them all must name it."""
    words = {value for name, value in vars(methods).items() if name.isupper() and isinstance(value, str)}
    assert words == methods.METHODS
    assert methods.OURS < methods.METHODS
    assert methods.OWN_KEY < methods.METHODS - methods.OURS


def test_nobody_writes_a_method_anew() -> None:
    """Whatever is made with a method takes the word from here."""
    found = [
        f"{path.relative_to(ROOT)}:{node.value.lineno}"
        for path in (ROOT / "proxy").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword)
        and node.arg == "method"
        and isinstance(node.value, ast.Constant)
        and node.value.value in methods.METHODS
    ]
    assert found == []
