"""docs/bad-input.md names tests that there are, and has a heading for each bad input of the list."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/bad-input.md").read_text(encoding="utf-8")
INPUTS = (
    "A table without a primary key", "A column that vanishes", "A type that changes", "NULL in a key",
    "A value of 10 MB", "XLSX with formulas and merged cells", "A truncated gzip", "A CSV whose quotes never close",
    "A date like 0000-00-00", "A decimal beyond its precision", "A clock that jumps", "A full disk",
    "A grant that is revoked in mid-run", "A replication slot that was dropped", "A database that is restarted",
    "A database that fails over", "A webhook that answers 500 for an hour",
)  # fmt: skip


def test_every_test_that_is_named_is_there() -> None:
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named - tests == set()
    assert len(named) > len(INPUTS)


def test_every_bad_input_has_what_happens_and_a_test() -> None:
    sections = dict(re.findall(r"^## ([^(\n]+) \([^)]+\)\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL))
    for name in INPUTS:
        lines = [line for line in sections[name].splitlines() if line.startswith("| ")][2:]
        assert lines, name
        assert all("`test_" in line for line in lines), name
