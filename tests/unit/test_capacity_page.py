"""docs/capacity.md computes right, from figures that docs/performance.md has."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/capacity.md").read_text(encoding="utf-8")
PERFORMANCE = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\w+) \| ([\d.]+) \| (?:µs|bytes|MB)", re.MULTILINE)
FIGURES = {name: float(value) for name, value in ROW.findall(PAGE)}
SUBSCRIBERS, PEAK, REPLICAS = 3, 10, 3


def number(words: str) -> float:
    return float(words.replace(",", ""))


def rows() -> dict[str, list[float]]:
    found = re.findall(r"^\| (county|city|province) \| (.+) \|$", PAGE, re.MULTILINE)
    return {name: [number(cell) for cell in cells.split(" | ")] for name, cells in found}


def test_the_sizes_follow_from_the_figures() -> None:
    assert set(rows()) == {"county", "city", "province"}
    for name, (day, peak, source, sink, broker, registry, disk) in rows().items():
        rate = day / 86_400 * PEAK
        per_record = FIGURES["broker_cpu_in"] + SUBSCRIBERS * FIGURES["broker_cpu_out"]
        wanted = {
            "peak": (peak, rate),
            "source": (source, rate * FIGURES["source_cpu"] / 1e6),
            "sink": (sink, rate * SUBSCRIBERS * FIGURES["sink_cpu"] / 1e6),
            "broker": (broker, rate * per_record / 1e6),
            "registry": (registry, rate * (1 + SUBSCRIBERS) * FIGURES["registry_cpu"] / 1e6),
            "disk": (disk, day * FIGURES["topic_bytes"] * REPLICAS / 1e9),
        }
        for what, (told, computed) in wanted.items():
            assert abs(told - computed) <= max(0.02 * computed, 0.005), f"{name}, {what}: {computed:.3g}"


def test_one_adapter_carries_what_its_cpu_allows() -> None:
    out, into = re.search(r"records/s: ([\d,]+) out, ([\d,]+) in", PAGE).groups()  # type: ignore[union-attr]
    assert abs(number(out) - 1e6 / FIGURES["source_cpu"]) < 100
    assert abs(number(into) - 1e6 / FIGURES["sink_cpu"]) < 100
    people = re.search(r"10,000,000 persons: ([\d.]+) GB", PAGE)
    assert people is not None
    assert abs(float(people[1]) - 1e7 * FIGURES["topic_bytes"] / 1e9) < 0.05


def test_what_comes_from_the_performance_page_is_there() -> None:
    source = re.search(r"^\| `source_postgres.cpu` \|[^|]+\| ([\d.]+) s ", PERFORMANCE, re.MULTILINE)
    sink = re.search(r"^\| `sink_postgres.cpu` \|[^|]+\| ([\d.]+) s ", PERFORMANCE, re.MULTILINE)
    assert source is not None
    assert sink is not None
    assert abs(FIGURES["source_cpu"] - float(source[1])) < 0.05  # of 1,000,000 rows: seconds are µs a record
    assert abs(FIGURES["sink_cpu"] - float(sink[1])) < 0.05
    for name, value in (("source_postgres", FIGURES["source_memory"]), ("sink_postgres", FIGURES["sink_memory"])):
        assert re.search(rf"^\| `{name}.memory` \|[^|]+\| {value:.0f} MB ", PERFORMANCE, re.MULTILINE), name
