"""The ten-column person table of the benchmarks: generated, with valid check characters; no real person is in it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from stdnum.cn import ric

from exchange.items import Check, Item, ItemType

ITEMS = (
    Item("gmsfhm", "公民身份号码", ItemType.TEXT, length=18, primary_key=True, sensitivity=4, check=Check.CITIZEN_ID),
    Item("xm", "姓名", ItemType.TEXT, length=50, required=True, sensitivity=3),
    Item("xbdm", "性别", ItemType.TEXT, length=1, sensitivity=2),
    Item("mzdm", "民族", ItemType.TEXT, length=2, sensitivity=3),
    Item("csrq", "出生日期", ItemType.DATE, sensitivity=3),
    Item("hjdxzqh", "户籍区划", ItemType.TEXT, length=6, sensitivity=2),
    Item("hjdz", "户籍地址", ItemType.TEXT, length=200, sensitivity=4),
    Item("lxdh", "联系电话", ItemType.TEXT, length=20, sensitivity=4),
    Item("sr", "收入", ItemType.NUMBER, length=12, scale=2, sensitivity=4),
    Item("gxsj", "更新时间", ItemType.INSTANT, sensitivity=1),
)


def persons(count: int) -> Iterator[tuple[str, ...]]:
    """Yield ``count`` rows as text, in item order; the same ones each time."""
    for number in range(count):
        year, month, day = 1950 + number % 60, 1 + number // 60 % 12, 1 + number // 720 % 28
        born = f"{year:04d}-{month:02d}-{day:02d}"
        digits = f"{440100 + number // 20_160_000:06d}{born.replace('-', '')}{number // 20_160 % 1000:03d}"
        code = digits + ric.calc_check_digit(digits + "0")
        phone, income = f"139{number:08d}", f"{number % 100000}.{number % 100:02d}"
        seen = f"2024-06-{1 + number % 28:02d}T08:00:00+08:00"
        yield code, f"演示{number}", str(1 + number % 2), "01", born, "440100", f"演示路{number}号", phone, income, seen


def write_csv(path: Path, count: int) -> None:
    """Write ``count`` persons with a header of the items' names."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(item.name for item in ITEMS)
        writer.writerows(persons(count))
