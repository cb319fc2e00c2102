"""``[quality.<item>]`` of an adapter file: rules beyond the resource's own, and what happens where one is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import SchemaError, SchemaValidator
from stdnum import numdb

from adapters.mapping import read_table
from adapters.mapping_steps import Step
from exchange.config import Group
from exchange.errors import BadRecord, ConfigError
from exchange.items import Check, Item, ItemType, Value
from exchange.text import Text
from exchange.values import check_row, parse

Action = Literal["reject", "warn", "repair"]
Test = Callable[[Value], bool]

DIVISION_LENGTHS = (6, 9, 12)
LONGEST_PATTERN = 1000  # characters; the engine behind it is linear in the text whatever the pattern


class QualityRule(Group):
    """What must hold for one item; a row without a value is asked for ``required`` only."""

    required: bool = Field(default=False, description="a value must be there")
    length: tuple[int, int] | None = Field(default=None, description="fewest and most characters", examples=[18])
    pattern: str | None = Field(
        default=None,
        max_length=LONGEST_PATTERN,
        description="regular expression for the whole value; no look-around or back references: time stays linear",
        examples=["[0-9]{6}"],
    )
    minimum: int | float | str | date | datetime | None = Field(
        default=None, description="least value of a number or date", examples=["1900-01-01"]
    )
    maximum: int | float | str | date | datetime | None = Field(
        default=None, description="greatest value of a number or date", examples=["2099-12-31"]
    )
    codes: tuple[str, ...] | None = Field(
        default=None, description="the values that are allowed", examples=['["男", "女"]']
    )
    codes_file: Path | None = Field(
        default=None, description="the values that are allowed: a CSV file with a header", examples=["nation.csv"]
    )
    check: Literal["uscc", "citizen_id", "division"] | None = Field(
        default=None, description="a code whose own check must hold: 统一社会信用代码, 公民身份号码 or 行政区划代码"
    )
    unique: bool = Field(default=False, description="no value twice in one batch")
    action: Action = Field(
        default="reject", description="reject the row, warn (the row goes on, it is counted), or repair and ask again"
    )
    repair: tuple[Step, ...] = Field(
        default=("strip", "halfwidth"), description='action = "repair": steps as in mapping', examples=['["strip"]']
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.unique and self.action == "repair":
            raise ValueError("unique cannot be repaired")
        if self.codes is not None and self.codes_file is not None:
            raise ValueError("either codes or codes_file")
        if not self.model_fields_set - {"action", "repair"} and self.action != "repair":
            raise ValueError("no rule: required, length, pattern, minimum, maximum, codes, check or unique")
        return self


@dataclass(slots=True)
class Rule:
    """One question to the values of one item."""

    item: Item
    name: str
    action: Action
    holds: Test
    reason: Text

    def fault(self) -> BadRecord:
        """Return what a row is rejected with."""
        return BadRecord(self.item.name, self.name, self.reason)


class Unique:
    """Whether a value has not come yet; ``clear`` begins a new batch."""

    def __init__(self) -> None:
        self._seen: set[Value] = set()

    def __call__(self, value: Value) -> bool:
        """Return whether ``value`` is new."""
        if value is None:
            return True
        before = len(self._seen)
        self._seen.add(value)
        return len(self._seen) > before

    def clear(self) -> None:
        """Forget the values of the batch before."""
        self._seen.clear()


def rules_of(item: Item, given: QualityRule, file: Path) -> list[Rule]:
    """Return the questions of one table ``[quality.<item>]``. Errors: ConfigError."""
    made: list[Rule] = []
    for name, test, reason in _tests(item, given, file):
        made.append(Rule(item, name, given.action, test, reason))
    return made


def _tests(item: Item, given: QualityRule, file: Path) -> Iterable[tuple[str, Test, Text]]:
    if given.required:
        yield "required", lambda value: value is not None and value != "", Text("a value is required", "必填项为空")
    if given.length is not None:
        yield "length", *_length(*given.length)
    if given.pattern is not None:
        yield "pattern", _pattern(item, given.pattern, file), Text("not of the expected form", "格式不符合要求")
    if given.minimum is not None or given.maximum is not None:
        yield "range", *_range(item, given, file)
    codes = _codes(item, given, file)
    if codes is not None:
        known = codes
        yield (
            "codes",
            lambda value: value is None or text_of(value) in known,
            Text("not an allowed value", "不在允许取值范围内"),
        )
    if given.check is not None:
        yield given.check, _CHECKS[given.check], _CHECK_REASONS[given.check]
    if given.unique:
        yield "unique", Unique(), Text("the value is there twice in one batch", "同一批次内取值重复")


def text_of(value: Value) -> str:
    """Return a value as the rules see it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


def _length(least: int, most: int) -> tuple[Test, Text]:
    reason = Text(f"{least} to {most} characters are expected", f"长度应为 {least} 至 {most} 个字符")
    return (lambda value: value is None or least <= len(text_of(value)) <= most), reason


def _pattern(item: Item, pattern: str, file: Path) -> Test:
    try:
        _expression(pattern)  # by itself first: "a)|(b" would leave the group around it
        compiled = _expression(rf"\A(?:{pattern})\z")
    except SchemaError as exc:
        raise ConfigError(
            file=file,
            key=f"quality.{item.name}.pattern",
            expected=Text("a regular expression without look-around", "不含环视的正则表达式"),
            found=str(exc).strip().splitlines()[-1],
            example='pattern = "[0-9]{6}"',
        ) from exc
    return lambda value: value is None or compiled.isinstance_python(text_of(value))


def _expression(pattern: str) -> SchemaValidator:
    """Compile by Rust's regex crate, which is in pydantic: no backtracking, so no pattern and no value can hang us."""
    return SchemaValidator({"type": "str", "pattern": pattern, "regex_engine": "rust-regex"})


def _range(item: Item, given: QualityRule, file: Path) -> tuple[Test, Text]:
    least, most = _bound(item, given.minimum, "minimum", file), _bound(item, given.maximum, "maximum", file)

    def holds(value: Any) -> bool:
        if value is None:
            return True
        return (least is None or value >= least) and (most is None or value <= most)

    shown = f"{'' if least is None else least} … {'' if most is None else most}"
    return holds, Text(f"beyond the range {shown}", f"超出范围 {shown}")


_RANGED = frozenset(
    {
        ItemType.NUMBER,
        ItemType.MONEY,
        ItemType.INTEGER,
        ItemType.DOUBLE,
        ItemType.FLOAT,
        ItemType.DATE,
        ItemType.INSTANT,
    }
)


def _bound(item: Item, given: object, key: str, file: Path) -> Any:
    if given is None:
        return None
    dated = item.type in {ItemType.DATE, ItemType.INSTANT}
    wrong = ConfigError(
        file=file,
        key=f"quality.{item.name}.{key}",
        expected=Text(f"a value of type {item.type}: number or date", f"{item.type} 型的值：数值或日期"),
        found=repr(given),
        example=f'{key} = "2000-01-01"' if dated else f"{key} = 0",
    )
    if item.type not in _RANGED:
        raise wrong
    try:
        return parse(item, str(given))
    except BadRecord as exc:
        raise wrong from exc


def _codes(item: Item, given: QualityRule, file: Path) -> frozenset[str] | None:
    if given.codes_file is not None:
        return frozenset(read_table(given.codes_file, file, f"quality.{item.name}.codes_file"))
    return None if given.codes is None else frozenset(given.codes)


def _checked(kind: Check) -> Test:
    items = [Item("value", "value", ItemType.TEXT, check=kind)]

    def holds(value: Value) -> bool:
        if value is None:
            return True
        try:
            check_row(items, (text_of(value),))
        except BadRecord:
            return False
        return True

    return holds


def is_division(value: Value) -> bool:
    """Return whether ``value`` is empty or a division code: 6, 9 or 12 digits whose first six are known (GB/T 2260).

    Codes of the past are known too: records outlive the divisions that they name.
    """
    if value is None:
        return True
    code = text_of(value)
    if len(code) not in DIVISION_LENGTHS or not (code.isascii() and code.isdigit()):
        return False
    return _known_division(code[:6])


@lru_cache(maxsize=4096)
def _known_division(code: str) -> bool:
    province, *county = [facts for _, facts in numdb.get("cn/loc").info(code)]
    if "province" not in province:
        return False
    return code.endswith("00") or any("county" in facts for facts in county)


_CHECKS: dict[str, Test] = {
    "uscc": _checked(Check.USCC),
    "citizen_id": _checked(Check.CITIZEN_ID),
    "division": is_division,
}
_CHECK_REASONS = {
    "uscc": Text("not a valid unified social credit code", "统一社会信用代码校验不通过"),
    "citizen_id": Text("not a valid citizen identity number", "公民身份号码校验不通过"),
    "division": Text("not a known division code of 6, 9 or 12 digits", "不是已知的 6、9 或 12 位行政区划代码"),
}
