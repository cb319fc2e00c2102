"""The port on which the bus counts; prometheus-client stands behind it in ``exchange.prometheus`` only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Metrics(Protocol):
    """Counters, gauges and histograms by name; every name is declared in ``exchange.metric_names``."""

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add ``amount`` to a counter."""

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""

    def replace(self, name: str, values: Iterable[tuple[Mapping[str, str], float]], /) -> None:
        """Set a gauge for these labels, and drop all that it had: for sets of labels that come and go."""

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add one observation to a histogram, in the unit that the name ends with."""


class NullMetrics:
    """Counts nothing."""

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Do nothing."""

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Do nothing."""

    def replace(self, name: str, values: Iterable[tuple[Mapping[str, str], float]], /) -> None:
        """Do nothing."""

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Do nothing."""
