"""Code tables (代码表) that ship with the registry, read from ``registry/data/codes.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from exchange.text import Lang, Text
from registry.errors import Invalid, NotFound

KIND = Text("code table", "代码表")


@dataclass(frozen=True, slots=True)
class Code:
    """One code; ``of``: the code of another table that it belongs to, e.g. a format's kind."""

    code: str
    label: Text
    of: str | None = None


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A table: its codes in order."""

    name: str
    label: Text
    codes: tuple[Code, ...]

    def find(self, word: str) -> Code | None:
        """Return the code that is written ``word``: as itself, or by its label in either language."""
        wanted = word.strip().lower()
        for code in self.codes:
            if wanted in (code.code.lower(), code.label.zh.lower(), code.label.en.lower()):
                return code
        return None

    def label_of(self, code: str | int, lang: Lang | None = None) -> str:
        """Return the label of a code; an unknown code is its own label."""
        found = next((each for each in self.codes if each.code == str(code)), None)
        return found.label.format(lang) if found else str(code)


@cache
def tables() -> dict[str, CodeTable]:
    """Return all tables by name."""
    return {name: _table(name, raw) for name, raw in read_data("codes.toml").items()}


def table(name: str) -> CodeTable:
    """Return a table. Errors: NotFound."""
    found = tables().get(name)
    if found is None:
        raise NotFound(kind=KIND, name=name)
    return found


def check(name: str, code: str, of: str | None = None) -> str:
    """Return ``code`` if it is in table ``name`` (and belongs to ``of``). Errors: Invalid, naming what may be."""
    may = [each.code for each in table(name).codes if of is None or each.of in (None, of)]
    if code not in may:
        choices = ", ".join(may)
        raise Invalid(field=name, reason=Text(f"one of {choices}", f"应为以下之一：{choices}"))
    return code


def read_data(name: str) -> dict[str, Any]:
    """Return a TOML file of the registry's data."""
    return tomllib.loads(resources.files("registry.data").joinpath(name).read_text(encoding="utf-8"))


def _table(name: str, raw: dict[str, Any]) -> CodeTable:
    codes = tuple(Code(each["code"], Text(each["en"], each["zh"]), each.get("of")) for each in raw["codes"])
    return CodeTable(name, Text(raw["en"], raw["zh"]), codes)
