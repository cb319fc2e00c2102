"""prometheus-client behind the metrics port: every metric of the bus is declared here, with its unit and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server

from exchange.settings import MetricsSettings

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
STREAM = ("adapter", "resource")


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric: its kind, what it says, its labels."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


DECLARED: dict[str, Declared] = {
    "exchange_published_records_total": Declared("counter", "Records published, deletes among them", STREAM),
    "exchange_published_bytes_total": Declared("counter", "Bytes of published values", STREAM),
    "exchange_published_batches_total": Declared("counter", "Committed publishing transactions", STREAM),
    "exchange_landed_records_total": Declared("counter", "Records landed, deletes among them", STREAM),
    "exchange_landed_batches_total": Declared("counter", "Committed landing transactions", STREAM),
    "exchange_rejected_records_total": Declared("counter", "Records rejected, by rule", (*STREAM, "rule")),
    "exchange_retries_total": Declared(
        "counter", "Times that the engine waited for the other side", (*STREAM, "reason")
    ),
    "exchange_batch_seconds": Declared("histogram", "Time of one batch, from read to commit", STREAM),
    "exchange_end_to_end_seconds": Declared("histogram", "From the publisher's clock to the landing's commit", STREAM),
    "exchange_acl_drift_total": Declared("counter", "ACLs that the enforcer found wrong and repaired", ("action",)),
    "exchange_enforcement_seconds": Declared("histogram", "Time of one enforcement", ("scope",)),
    "exchange_enforcement_failures_total": Declared("counter", "Enforcements that the broker did not take"),
    "exchange_grants": Declared("gauge", "Grants by state", ("state",)),
    "exchange_decisions_total": Declared("counter", "Decisions on requests", ("decision",)),
    "exchange_tokens_total": Declared("counter", "Token requests by outcome", ("outcome",)),
    "exchange_receipts_total": Declared("counter", "Receipts that the registry took in", ("side",)),
    "exchange_notices_total": Declared("counter", "Notices to systems, on the bus and by webhook", ("way", "outcome")),
    "exchange_http_request_seconds": Declared("histogram", "HTTP answers", ("method", "route", "status")),
}


class PrometheusMetrics:
    """Metrics kept in a registry of their own, for one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for name, metric in DECLARED.items():
            if metric.kind == "counter":
                self._counters[name] = Counter(name, metric.help, metric.labels, registry=self.registry)
            elif metric.kind == "gauge":
                self._gauges[name] = Gauge(name, metric.help, metric.labels, registry=self.registry)
            else:
                self._histograms[name] = Histogram(
                    name, metric.help, metric.labels, registry=self.registry, buckets=SECONDS
                )

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add ``amount`` to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add one observation to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def serve(self, settings: MetricsSettings) -> None:
        """Answer ``/metrics`` on the configured port, from a thread of its own; port 0 serves nothing."""
        if settings.port:
            start_http_server(settings.port, settings.host, registry=self.registry)
