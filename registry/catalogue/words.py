"""What a resource is found by and compared by: words and labels in one normal form. Pure functions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache

from registry.catalogue.codes import read_data

LONGEST_LABEL = 128
MOST_TERMS = 8
SHORTEST_TRIGRAM = 3


def normal(text: str) -> str:
    """Return ``text`` with full-width forms made plain, in lower case."""
    return unicodedata.normalize("NFKC", text).lower()


def words_of(texts: Iterable[str | None]) -> str:
    """Return what a resource with these texts is found by, one text a line."""
    return "\n".join(normal(text) for text in texts if text)


def terms_of(query: str) -> list[str]:
    """Return the terms of a query; each of them has to be found."""
    return list(dict.fromkeys(normal(query).replace("\x00", " ").split()))[:MOST_TERMS]


def label_key(label: str) -> str | None:
    """Return what a label is compared by: synonyms are one, and labels that every table has are none."""
    plain = "".join(letter for letter in normal(label) if letter.isalnum())[:LONGEST_LABEL]
    key = _synonyms().get(plain, plain)
    return key if key and key not in _common() else None


def label_keys(labels: Iterable[str]) -> frozenset[str]:
    """Return what these labels are compared by."""
    return frozenset(key for label in labels if (key := label_key(label)) is not None)


def texts_of(details: Mapping[str, object], items: Iterable[tuple[str, str]]) -> list[str]:
    """Return the texts of an entry: its name and summary, and each item's name and label."""
    own = [str(details.get(name) or "") for name in ("name", "summary")]
    return own + [f"{label} {name}" for name, label in items]


@cache
def _synonyms() -> dict[str, str]:
    lines: list[list[str]] = read_data("synonyms.toml")["same"]
    return {normal(word): normal(line[0]) for line in lines for word in line}


@cache
def _common() -> frozenset[str]:
    words: list[str] = read_data("synonyms.toml")["common"]
    return frozenset(normal(word) for word in words)
