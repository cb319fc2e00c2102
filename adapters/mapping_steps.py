"""The steps that a text goes through: each is one word or one small table of the adapter file, none can run code."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from exchange.config import Group

Change = Callable[[str], str]

LONGEST_PAD = 1000
FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}

Word = Literal["strip", "squeeze", "upper", "lower", "halfwidth", "nfc", "digits"]


class StepTable(Group):
    """A step that needs to know something; exactly one key is given."""

    replace: tuple[str, str] | None = Field(default=None, description="text and what it becomes", examples=["-"])
    substring: tuple[int, int] | None = Field(
        default=None, description="from and to, counted from 0; negative: from the end", examples=[6]
    )
    pad: int | None = Field(default=None, ge=1, le=LONGEST_PAD, description="zeros on the left up to this length")
    prefix: str | None = Field(default=None, description="text that is put before", examples=["440000"])
    suffix: str | None = Field(default=None, description="text that is put after", examples=["000"])

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("exactly one of replace, substring, pad, prefix, suffix")
        if self.replace is not None and not self.replace[0]:
            raise ValueError("replace: the text to be replaced is empty")
        return self


Step = Word | StepTable


def compiled(steps: Sequence[Step]) -> Change:
    """Return what all ``steps`` do to a text, one after the other."""
    changes = [_WORDS[step] if isinstance(step, str) else _change(step) for step in steps]
    if len(changes) == 1:
        return changes[0]

    def change(text: str) -> str:
        for one in changes:
            text = one(text)
        return text

    return change


def _change(step: StepTable) -> Change:
    if step.replace is not None:
        old, new = step.replace
        return lambda text: text.replace(old, new)
    if step.substring is not None:
        start, end = step.substring
        return lambda text: text[start:end]
    if step.pad is not None:
        width = step.pad
        return lambda text: text.rjust(width, "0") if text else text
    before, after = step.prefix or "", step.suffix or ""
    return lambda text: f"{before}{text}{after}" if text else text


def _digits(text: str) -> str:
    return "".join([sign for sign in text if sign in "0123456789"])


_WORDS: dict[str, Change] = {
    "strip": str.strip,
    "squeeze": lambda text: " ".join(text.split()),
    "upper": str.upper,
    "lower": str.lower,
    "halfwidth": lambda text: text.translate(FULL_WIDTH),
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "digits": _digits,
}
