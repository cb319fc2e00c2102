"""Resource codes (信息资源代码), read and made by the table in ``registry/data/resource_code.toml``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from exchange.text import Text
from registry.catalogue.codes import read_data
from registry.errors import Invalid

LONGEST = 64


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a code: from ``fewest`` to ``most`` digits."""

    name: str
    label: Text
    fewest: int
    most: int


@dataclass(frozen=True, slots=True)
class ResourceCode:
    """A code in its parts: ``parts`` by name, ``classification`` all digits before the `/`."""

    parts: dict[str, str]
    classification: str
    sequence: int

    def __str__(self) -> str:
        return write(self.classification, self.sequence)


def parse(code: str) -> ResourceCode:
    """Return a code in its parts. Errors: Invalid."""
    match = _pattern().fullmatch(code)
    if match is None or len(code) > LONGEST or code[0] not in "123":
        raise _wrong()
    parts = {part.name: match[part.name] for part in _layout()[0]}
    return ResourceCode(parts, code.partition("/")[0], int(match["sequence"]))


def write(classification: str, sequence: int) -> str:
    """Return the code with this sequence number in a class. Errors: Invalid (the class is full, or none)."""
    digits = _layout()[1].most
    if len(str(sequence)) > digits:
        raise Invalid(field="classification", reason=Text("its sequence numbers are used up", "顺序码已用尽"))
    code = f"{classification}/{sequence:0{digits}}"
    parse(code)
    return code


def filled(classification: str) -> str:
    """Return a class with zeros for the levels that it does not say, as a code needs all of them."""
    return classification.ljust(sum(part.fewest for part in _layout()[0]), "0")


@cache
def _layout() -> tuple[tuple[Part, ...], Part]:
    raw = read_data("resource_code.toml")
    return tuple(_part(each) for each in raw["part"]), _part(raw["sequence"])


def _part(raw: dict[str, Any]) -> Part:
    digits = raw["digits"]
    fewest, most = digits if isinstance(digits, list) else (digits, digits)
    return Part(raw["name"], Text(raw["en"], raw["zh"]), fewest, most)


@cache
def _pattern() -> re.Pattern[str]:
    parts, sequence = _layout()
    body = "".join(_group(part) for part in parts)
    return re.compile(f"{body}/{_group(sequence)}")


def _group(part: Part) -> str:
    return f"(?P<{part.name}>[0-9]{{{part.fewest},{part.most}}})"


def _wrong() -> Invalid:
    parts, sequence = _layout()
    en = ", ".join(f"{part.label.en} ({_width(part)})" for part in parts)
    zh = "、".join(f"{part.label.zh}（{_width(part)}位）" for part in parts)
    return Invalid(
        field="code",
        reason=Text(
            f"digits of {en}, then `/` and {sequence.most} digits; e.g. 307440000/000001",
            f"应为{zh}数字，加“/”与{sequence.most}位顺序码，例如 307440000/000001",
        ),
    )


def _width(part: Part) -> str:
    return str(part.most) if part.fewest == part.most else f"{part.fewest}-{part.most}"
