"""Deletes that are too many to be believed."""

from __future__ import annotations

from adapters.errors import TooManyDeletes

FEW_KEYS = 20  # below this, a large share of deletes is nothing to wonder about


def believe(place: str, *, gone: int, known: int, share: float) -> None:
    """Refuse deletes of more than ``share`` of what is known. Errors: TooManyDeletes, before anything was deleted."""
    if known >= FEW_KEYS and gone > share * known:
        raise TooManyDeletes(source=place, gone=gone, known=known, share=share)
