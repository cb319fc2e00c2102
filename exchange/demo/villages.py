"""The demo's real input: Guangdong's villages as a CSV file that the province's department edits."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

from exchange.items import Item, ItemType

ROWS = 26_842
COLUMNS = {
    "code": "code",
    "name": "name",
    "street_code": "streetCode",
    "province_code": "provinceCode",
    "city_code": "cityCode",
    "area_code": "areaCode",
}

ITEMS = (
    Item("code", "统计用区划代码", ItemType.TEXT, length=12, primary_key=True),
    Item("name", "名称", ItemType.TEXT, length=100, required=True),
    Item("street_code", "乡级代码", ItemType.TEXT, length=9, required=True),
    Item("province_code", "省级代码", ItemType.TEXT, length=2, required=True),
    Item("city_code", "地级代码", ItemType.TEXT, length=4, required=True),
    Item("area_code", "县级代码", ItemType.TEXT, length=6, required=True),
)

Village = tuple[str, ...]  # the six values, in item order


class VillageFile:
    """The department's CSV file; each save replaces it whole, as a careful export does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.villages: dict[str, Village] = dict(_shipped())

    def save(self) -> None:
        """Write all villages, then put the file in place in one step."""
        fresh = self.path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(COLUMNS.values())
            writer.writerows(self.villages.values())
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self.path)

    def change(self, codes: Iterable[str], suffix: str) -> None:
        """Append ``suffix`` to the names of these villages."""
        for code in codes:
            village = self.villages[code]
            self.villages[code] = (code, village[1] + suffix, *village[2:])

    def add(self, count: int) -> list[str]:
        """Add villages under the first street; return their codes."""
        street = next(iter(self.villages.values()))[2:]
        codes = [f"{street[0]}{900 + number}" for number in range(count)]
        for number, code in enumerate(codes):
            self.villages[code] = (code, f"演示新村{number}", *street)
        return codes

    def delete(self, codes: Iterable[str]) -> None:
        """Remove these villages."""
        for code in codes:
            del self.villages[code]


def _shipped() -> Iterable[tuple[str, Village]]:
    packed = files("exchange.demo").joinpath("data/villages-440000.csv.gz").read_bytes()
    text = io.StringIO(gzip.decompress(packed).decode("utf-8"))
    for row in csv.DictReader(text):
        village = tuple(row[column] for column in COLUMNS.values())
        yield village[0], village


def differences(source: Mapping[str, Village], landed: Mapping[str, Village]) -> tuple[int, int, int]:
    """Return how many villages are (missing in, too many in, different in) what landed."""
    missing = len(source.keys() - landed.keys())
    extra = len(landed.keys() - source.keys())
    differing = sum(landed[code] != village for code, village in source.items() if code in landed)
    return missing, extra, differing
