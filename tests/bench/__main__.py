"""``make bench``: every module of this package that has ``run(bench)``, or those that are named; see book.py."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

from tests import bench as package
from tests.bench.book import Bench

FIGURES = Path("build/bench.json")


def main(wanted: list[str]) -> None:
    """Run the benchmarks and write the figures."""
    bench = Bench()
    for found in pkgutil.iter_modules(package.__path__):
        if found.name.startswith("__") or (wanted and found.name not in wanted):
            continue
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        if hasattr(module, "run"):
            module.run(bench)
            bench.write(FIGURES)  # after each: a later one that fails takes nothing with it


if __name__ == "__main__":
    main(sys.argv[1:])
