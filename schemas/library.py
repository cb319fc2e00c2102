"""The base libraries (基础信息库) that ship: their items as plain data, for whoever registers or assembles one."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

COMMON = "common"


@dataclass(frozen=True, slots=True)
class Library:
    """A base library: ``items`` as the registry's API takes them, its own first, then those that all have."""

    code: str
    en: str
    zh: str
    summary: str
    classification: str
    update_cycle: str
    timestamp_column: str
    items: tuple[dict[str, Any], ...]


@cache
def libraries() -> dict[str, Library]:
    """Return all base libraries by code, e.g. ``rk`` (人口)."""
    found = {}
    for file in sorted(resources.files("schemas").joinpath("base").iterdir(), key=lambda file: file.name):
        code, _, ending = file.name.partition(".")
        if ending == "toml" and code != COMMON:
            found[code] = _library(code)
    return found


def _library(code: str) -> Library:
    raw = _read(code)
    return Library(**{**raw, "items": (*raw["items"], *_read(COMMON)["items"])})


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("schemas").joinpath(f"base/{name}.toml").read_text(encoding="utf-8"))
