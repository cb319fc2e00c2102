"""prometheus-client behind the metrics port: what ``exchange.metric_names`` declares, kept for one process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)

from exchange.errors import ConfigError
from exchange.metric_names import Declared
from exchange.settings import MetricsSettings
from exchange.text import Text

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class PrometheusMetrics:
    """Metrics kept in a registry of their own, for one process: each process is a target of its own."""

    def __init__(self, declared: Mapping[str, Declared]) -> None:
        """``declared``: those that this kind of process counts: OF_ADAPTER or OF_REGISTRY of exchange.metric_names."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when each counter began: nobody asks, and it is a fifth of a scrape
        self.registry = CollectorRegistry()
        self._declared = declared
        self._sets: dict[str, bytes] = {}  # gauges that are replaced as a whole, as text
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for name, metric in declared.items():
            said = metric.help.en
            if metric.kind == "counter":
                self._counters[name] = Counter(name, said, metric.labels, registry=self.registry)
            elif metric.kind == "gauge":
                self._gauges[name] = Gauge(name, said, metric.labels, registry=self.registry)
            else:
                self._histograms[name] = Histogram(name, said, metric.labels, registry=self.registry, buckets=SECONDS)

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add ``amount`` to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def replace(self, name: str, values: Iterable[tuple[Mapping[str, str], float]], /) -> None:
        """Set a gauge for these labels, and drop all that it had.

        Such a set may be large, and is read more often than it is set: it is written as text here, once, and stands in
        ``text`` only, not in what ``serve`` answers.
        """
        declared = self._declared[name]
        alone = CollectorRegistry()
        gauge = Gauge(name, declared.help.en, declared.labels, registry=alone)
        for labels, value in values:
            gauge.labels(**labels).set(value)
        if name not in self._sets:
            self.registry.unregister(self._gauges[name])
        self._sets[name] = generate_latest(alone)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add one observation to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return b"".join([generate_latest(self.registry), *self._sets.values()])

    def serve(self, settings: MetricsSettings) -> None:
        """Answer ``/metrics`` on the configured port, from a thread of its own; port 0 serves nothing.

        Errors: ConfigError when something else listens there.
        """
        if settings.port:
            try:
                start_http_server(settings.port, settings.host, registry=self.registry)
            except OSError as exc:
                raise ConfigError(
                    file="-",
                    key="metrics.port",
                    expected=Text("an address that is free", "未被占用的地址"),
                    found=f"{settings.host}:{settings.port} ({exc.strerror})",
                    example=f"port = {settings.port + 1}",
                ) from exc

    def write(self, path: Path) -> None:
        """Write all metrics into a file that node_exporter's textfile collector reads; it is never there half.

        Errors: OSError.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(self.text())
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
