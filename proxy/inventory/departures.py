"""People who vanish from the document of a source: that is the source's word that they have left.

Unlike files that people edit by hand, where an entry may be on its way from one file to another, a document is all
that its source says of its sections. So whoever is no longer in it has left, even if the rest of it cannot be used.
Two rules keep an accident from ending everybody: what is no whole JSON object says nothing; and a document that names
fewer than half of the people (or agents) of the one before it is not believed in what it leaves out, however many
others it names: a source that numbers its people anew has not let everybody go.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.errors import CountersignError, Mistake
from proxy.strict_json import loads

_WORDS = {"people": "active: false", "agents": "enabled: false"}


def departed(before: bytes, after: bytes) -> frozenset[str]:
    """Whom the document before calls active, and the one after leaves out, or calls inactive. Never raises."""
    old, new = _entries(before, "people"), _entries(after, "people")
    left_out = frozenset() if any(thinned("", before, after)) else old.keys() - new.keys()
    inactive = {name for name, entry in new.items() if entry.get("active") is False}
    return frozenset(
        name for name, entry in old.items() if name in left_out | inactive and entry.get("active", True) is True
    )


def thinned(source: str, before: bytes, after: bytes) -> Iterator[Mistake]:
    """Why this document is not believed in what it leaves out, if it is not."""
    for section, word in _WORDS.items():
        old = _entries(before, section).keys()
        still = len(old & _entries(after, section).keys())
        if still * 2 < len(old):
            text = (
                f"has {still} of the {len(old)} {section} of the one before: a document that leaves out more than half "
                f"at once is not believed; say `{word}` of each that is over, or bring it in steps"
            )
            yield Mistake(source, 0, section, text)


def _entries(document: bytes, section: str) -> Mapping[str, dict[str, Any]]:
    """The entries of a section by their ids; what is none is left out."""
    try:
        value = loads(document, max_bytes=len(document))
    except (ValueError, CountersignError):
        return {}
    items = value.get(section) if isinstance(value, dict) else None
    if not isinstance(items, list):
        return {}
    return {str(item["id"]): item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)}
