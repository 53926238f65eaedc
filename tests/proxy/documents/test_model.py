"""Files into models."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from proxy.documents import read_model
from proxy.errors import ConfigurationError


class Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    due: date | None = None
    tags: tuple[str, ...] = ()


def test_a_good_file_becomes_its_model(tmp_path):
    """Text, dates and lists arrive as the model's own types; a quoted date is a date too."""
    path = tmp_path / "card.yaml"
    path.write_text("id: no\ndue: 2026-12-01\ntags: [a, 'on']\n")
    assert read_model(path, Card) == Card(id="no", due=date(2026, 12, 1), tags=("a", "on"))
    path.write_text("id: x\ndue: '2026-12-01'\n")
    assert read_model(path, Card).due == date(2026, 12, 1)


def test_every_mistake_is_told_at_once(tmp_path, monkeypatch):
    """Mistakes of form and of content come together, in one error."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "card.yaml"
    path.write_text("id: 7\ntags: x\ntags: y\ndeu: 1\n")
    with pytest.raises(ConfigurationError) as wrong:
        read_model(path, Card)
    assert str(wrong.value).splitlines() == [
        "card.yaml:3: `tags` is here twice, first on line 2; keep one",
        "card.yaml:1: id: must be text; put the value in quotes",
        "card.yaml:2: tags: must be a list: one item a line, each after `- `",
        "card.yaml:4: deu: is not a field here; did you mean `due`?",
    ]


def test_a_duplicate_key_alone_is_a_refusal(tmp_path):
    """A file whose model would fit is still refused if two readers could read it differently."""
    path = tmp_path / "card.yaml"
    path.write_text("id: a\nid: b\n")
    with pytest.raises(ConfigurationError, match="twice"):
        read_model(path, Card)


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=60) | st.text("id: due tags[]{}\n-'\"0129&*!", max_size=60).map(str.encode))
def test_any_file_is_a_model_or_a_configuration_error(raw, tmp_path_factory):
    """Whatever the bytes, the answer is the model or a `ConfigurationError` with at least one mistake."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(raw)
    try:
        outcome = [read_model(path, Card)]
    except ConfigurationError as wrong:
        outcome = list(wrong.mistakes)
    assert outcome
