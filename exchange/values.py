"""Reading a value of an item from text, and checking the values of a row: every fault is a BadRecord."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

from exchange.errors import BadRecord
from exchange.items import LONGEST_INT, LONGEST_VALUE, MOST_DIGITS, Check, Item, ItemType, Row, Value
from exchange.text import Text

CHINA = ZoneInfo("Asia/Shanghai")
INT64 = 2**63
CODE_LENGTH = 18  # characters of either code that has a check character
CITIZEN_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643, ISO 7064 MOD 11-2
CITIZEN_ID_CHECK = "10X98765432"
MOST_BIRTH_DATES = 100_000  # that are remembered

TRUE = frozenset({"true", "t", "1", "yes", "y", "是"})
FALSE = frozenset({"false", "f", "0", "no", "n", "否"})


def parse(item: Item, text: str, zone: tzinfo = CHINA) -> Value:
    """Return the value of ``item`` that ``text`` writes; empty text is None, except for C and M that are mandatory.

    A date-time without a zone is read in ``zone``. Errors: BadRecord. Lengths and check characters: see check_row.
    """
    if text == "":
        return None
    try:
        return _PARSERS[item.type](item, text, zone)
    except (ValueError, InvalidOperation) as exc:
        raise BadRecord(item.name, f"type_{item.type}", _EXPECTED[item.type]) from exc


def in_utc(value: datetime, zone: tzinfo) -> datetime:
    """Return a date-time in UTC; one without a zone is in ``zone``. Errors: ValueError beyond the years 1 to 9999."""
    try:
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as exc:
        raise ValueError(value) from exc


def check_row(items: Sequence[Item], row: Row) -> None:
    """Raise BadRecord for the first value of ``row`` that its item does not allow."""
    row_checker(items)(row)


def row_checker(items: Sequence[Item]) -> Callable[[Row], None]:
    """Return ``check_row`` made for these items: each value is asked a quick question first, rarely a thorough one.

    The questions are source, in one function: called one by one they took four times as long.
    """
    names: dict[str, Any] = {"thorough": check_value, "date": date, "datetime": datetime, "Decimal": Decimal}
    lines = ["def check(row):", f"    {''.join(f'v{at}, ' for at in range(len(items)))}= row"]
    for at, item in enumerate(items):
        names[f"i{at}"] = item
        question, names[f"n{at}"] = _question(item, f"v{at}", f"n{at}")
        if not item.mandatory:
            question = f"v{at} is None or {question}"
        lines += [f"    if not ({question}):", f"        thorough(i{at}, v{at})"]
    exec("\n".join(lines), names)  # noqa: S102 - made of numbers only: no name or value of an item is in it
    check: Callable[[Row], None] = names["check"]
    return check


def check_value(item: Item, value: Value) -> None:
    """Raise BadRecord for a value that its item does not allow: thoroughly, and slowly."""
    if value is None or value == "":
        if item.mandatory and (item.primary_key or value is None):
            raise BadRecord(item.name, "required", Text("a value is required", "必填项为空"))
        return
    _RULES[item.type](item, value)
    if item.check is not None:
        _check_characters(item, str(value))


def _question(item: Item, value: str, known: str) -> tuple[str, Any]:
    """Return what is true only of values that are right; a no says nothing. And what it calls ``known``."""
    if item.check is not None:
        long_enough = item.type in {ItemType.TEXT, ItemType.MEMO} and (item.length or LONGEST_VALUE) >= CODE_LENGTH
        return f"type({value}) is str and {known}({value})" if long_enough else "False", HAS_CHECK_CHARACTER[item.check]
    if item.type in {ItemType.TEXT, ItemType.MEMO}:
        longest = item.length or LONGEST_VALUE
        return f"type({value}) is str and 0 < len({value}) <= {longest} and {value}.isprintable()", None
    if item.digits is not None:
        precision, scale = item.digits
        most = f"{known}[1]"
        fits = f"{value}.same_quantum({known}[0]) and -{most} < {value} < {most}"
        return f"type({value}) is Decimal and {fits}", (Decimal((0, (1,), -scale)), Decimal(10 ** (precision - scale)))
    if item.type in {ItemType.NUMBER, ItemType.INTEGER}:
        limit = 10 ** min(item.length or LONGEST_INT, LONGEST_INT)
        return f"type({value}) is int and -{limit} < {value} < {limit}", None
    if item.type is ItemType.INSTANT:
        return f"type({value}) is datetime and {value}.tzinfo is not None", None
    return f"type({value}) is {_EXACT[item.type].__name__}", None


_EXACT: dict[ItemType, type] = {
    ItemType.DATE: date,
    ItemType.LOGICAL: bool,
    ItemType.BINARY: bytes,
    ItemType.DOUBLE: float,
    ItemType.FLOAT: float,
}


def _as_decimal(_item: Item, text: str, _zone: tzinfo) -> Decimal:
    value = Decimal(text.strip())
    if not value.is_finite():
        raise InvalidOperation
    return value


def _as_number(item: Item, text: str, zone: tzinfo) -> int | Decimal:
    return _as_decimal(item, text, zone) if item.digits else _as_int(item, text, zone)


def _as_int(_item: Item, text: str, _zone: tzinfo) -> int:
    if "_" in text:
        raise ValueError(text)
    return int(text)


def _as_float(_item: Item, text: str, _zone: tzinfo) -> float:
    if "_" in text:
        raise ValueError(text)
    return float(text)


def _as_date(_item: Item, text: str, _zone: tzinfo) -> date:
    plain = text.strip().replace("/", "-")
    if plain.isdigit() and len(plain) != len("20240131"):
        raise ValueError(text)
    return date.fromisoformat(plain)


def _as_instant(_item: Item, text: str, zone: tzinfo) -> datetime:
    return in_utc(datetime.fromisoformat(text.strip().replace("/", "-")), zone)


def _as_logical(_item: Item, text: str, _zone: tzinfo) -> bool:
    word = text.strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError(text)


_PARSERS: dict[ItemType, Callable[[Item, str, tzinfo], Value]] = {
    ItemType.TEXT: lambda _i, text, _z: text,
    ItemType.MEMO: lambda _i, text, _z: text,
    ItemType.NUMBER: _as_number,
    ItemType.MONEY: _as_decimal,
    ItemType.DATE: _as_date,
    ItemType.INSTANT: _as_instant,
    ItemType.LOGICAL: _as_logical,
    ItemType.BINARY: lambda _i, text, _z: bytes.fromhex(text),
    ItemType.DOUBLE: _as_float,
    ItemType.FLOAT: _as_float,
    ItemType.INTEGER: _as_int,
}

_EXPECTED: dict[ItemType, Text] = {
    ItemType.TEXT: Text("text is expected", "应为文本"),
    ItemType.MEMO: Text("text is expected", "应为文本"),
    ItemType.NUMBER: Text("a number is expected, e.g. 12.50", "应为数值，例如 12.50"),
    ItemType.MONEY: Text("an amount is expected, e.g. 12.50", "应为金额，例如 12.50"),
    ItemType.DATE: Text("a date is expected, e.g. 2024-01-31", "应为日期，例如 2024-01-31"),
    ItemType.INSTANT: Text(
        "a date and time is expected, e.g. 2024-01-31T08:30:00", "应为日期时间，例如 2024-01-31T08:30:00"
    ),
    ItemType.LOGICAL: Text("true or false is expected", "应为 true 或 false（是/否）"),
    ItemType.BINARY: Text("bytes in hexadecimal are expected", "应为十六进制字节"),
    ItemType.DOUBLE: Text("a number is expected, e.g. 1.5", "应为数值，例如 1.5"),
    ItemType.FLOAT: Text("a number is expected, e.g. 1.5", "应为数值，例如 1.5"),
    ItemType.INTEGER: Text("a whole number is expected, e.g. 42", "应为整数，例如 42"),
}


def _of(item: Item, value: Value, *types: type) -> None:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise BadRecord(item.name, f"type_{item.type}", _EXPECTED[item.type])


def _text_rule(item: Item, value: Value) -> None:
    if not isinstance(value, str):
        raise BadRecord(item.name, f"type_{item.type}", _EXPECTED[item.type])
    if item.length is not None and len(value) > item.length:
        raise BadRecord(
            item.name,
            "length",
            Text(f"{len(value)} characters, {item.length} allowed", f"长度 {len(value)}，最多 {item.length} 个字符"),
        )
    if "\x00" in value:
        raise BadRecord(item.name, "nul", Text("a NUL character is not allowed", "不允许出现 NUL 字符"))
    if not value.isascii():
        _encodable(item, value)


def _encodable(item: Item, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise BadRecord(item.name, "unicode", Text("not valid Unicode text", "不是有效的 Unicode 文本")) from exc


def _int_rule(item: Item, value: Value) -> None:
    _of(item, value, int)
    if isinstance(value, int) and not -INT64 <= value < INT64:
        raise BadRecord(item.name, "range", Text("beyond 64 bits", "超出 64 位整数范围"))


def _number_rule(item: Item, value: Value) -> None:
    if item.digits is None:
        _int_rule(item, value)
        _fits(item, Decimal(value) if isinstance(value, int) else Decimal(0), item.length or 19, 0)
        return
    _of(item, value, Decimal, int)
    if isinstance(value, Decimal | int):
        _fits(item, Decimal(value), *item.digits)


def _fits(item: Item, value: Decimal, precision: int, scale: int) -> None:
    if not value.is_finite():
        raise BadRecord(item.name, "range", Text("not a finite number", "不是有限数值"))
    if value and abs(value.adjusted()) > MOST_DIGITS:  # normalize would overflow
        raise BadRecord(item.name, "range", _beyond(precision, scale))
    _sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    # not normalize, which rounds to the digits of the context
    zeros = next((at for at, digit in enumerate(reversed(digits)) if digit), None)
    whole = max(0, len(digits) + exponent) if zeros is not None else 0
    if (zeros is not None and -exponent - zeros > scale) or whole > precision - scale:
        raise BadRecord(item.name, "range", _beyond(precision, scale))


def _beyond(precision: int, scale: int) -> Text:
    return Text(
        f"does not fit {precision} digits with {scale} after the point", f"超出精度：共 {precision} 位，小数 {scale} 位"
    )


def _date_rule(item: Item, value: Value) -> None:
    if isinstance(value, datetime):
        raise BadRecord(item.name, "type_D", _EXPECTED[ItemType.DATE])
    _of(item, value, date)


def _instant_rule(item: Item, value: Value) -> None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise BadRecord(item.name, "type_T", Text("a date and time with its zone is expected", "应为带时区的日期时间"))


_RULES: dict[ItemType, Callable[[Item, Value], None]] = {
    ItemType.TEXT: _text_rule,
    ItemType.MEMO: _text_rule,
    ItemType.NUMBER: _number_rule,
    ItemType.MONEY: _number_rule,
    ItemType.DATE: _date_rule,
    ItemType.INSTANT: _instant_rule,
    ItemType.LOGICAL: lambda item, value: _of(item, value, bool),
    ItemType.BINARY: lambda item, value: _of(item, value, bytes),
    ItemType.DOUBLE: lambda item, value: _of(item, value, float, int),
    ItemType.FLOAT: lambda item, value: _of(item, value, float, int),
    ItemType.INTEGER: _int_rule,
}


def _check_characters(item: Item, value: str) -> None:
    assert item.check is not None
    if not HAS_CHECK_CHARACTER[item.check](value):
        raise BadRecord(
            item.name,
            f"check_{item.check}",
            Text(
                f"not a valid {item.check}: check character, date or form is wrong",
                f"{item.check} 校验不通过：校验码、日期或格式有误",
            ),
        )


def _is_credit_code(value: str) -> bool:
    try:
        return uscc.validate(value) == value
    except ValidationError:
        return False


def _is_citizen_id(value: str) -> bool:
    """Form, birth date and check character; not the place, as numbers outlive the divisions that they name.

    The digits' weighted sum is put together from tables of their groups: millions of rows are asked this.
    """
    if len(value) != CODE_LENGTH:
        return False
    try:
        total = _FIRST[value[:3]] + _SECOND[value[3:6]] + _BORN[value[6:14]] + _SERIAL[value[14:17]]
    except KeyError:
        return False
    return value[-1] == CITIZEN_ID_CHECK[total % 11]


def _weighted(digits: str, at: int) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, CITIZEN_ID_WEIGHTS[at:], strict=False))


def _group(at: int) -> dict[str, int]:
    return {f"{number:03}": _weighted(f"{number:03}", at) for number in range(1000)}


class _Born(dict[str, int]):
    """The part of the sum that a birth date gives. Errors: KeyError for what is no date."""

    def __missing__(self, digits: str) -> int:
        if not (digits.isascii() and digits.isdigit()):
            raise KeyError(digits)
        try:
            date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError as exc:
            raise KeyError(digits) from exc
        if len(self) >= MOST_BIRTH_DATES:
            self.clear()
        total = self[digits] = _weighted(digits, 6)
        return total


_FIRST, _SECOND, _BORN, _SERIAL = _group(0), _group(3), _Born(), _group(14)

HAS_CHECK_CHARACTER: dict[Check, Callable[[str], bool]] = {
    Check.USCC: _is_credit_code,
    Check.CITIZEN_ID: _is_citizen_id,
}
