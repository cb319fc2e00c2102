"""OpenTelemetry behind ``exchange.tracing``: spans over OTLP/HTTP, in batches, from a thread of its own.

The packages are an extra (``pip install 'exchange-bus[otel]'``) and are imported by who configures an endpoint, only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from exchange.errors import ConfigError
from exchange.settings import TracingSettings
from exchange.surroundings import version
from exchange.text import Text
from exchange.tracing import TRACING, Span, Value

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

QUEUE = 8192  # spans that wait; more are dropped, the exchange never waits for a collector
EVERY_MS = 2000


def start_tracing(settings: TracingSettings, component: str) -> None:
    """Send the spans of this process to the endpoint, if there is one. Errors: ConfigError without the packages."""
    if settings.endpoint is None:
        return
    try:
        TRACING.install(_Otlp(settings, component))
    except ImportError as exc:
        raise ConfigError(
            file="-",
            key="tracing.endpoint",
            expected=Text("OpenTelemetry's packages", "已安装 OpenTelemetry 软件包"),
            found=Text(f"none ({exc.name})", f"缺少（{exc.name}）"),
            example="pip install 'exchange-bus[otel]'",
        ) from exc


class _Otlp:
    def __init__(self, settings: TracingSettings, component: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 (an extra)
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        self._share = settings.share
        self._resource = Resource({"service.name": f"exchange-{component}", "service.version": version()})
        exporter = OTLPSpanExporter(f"{str(settings.endpoint).rstrip('/')}/v1/traces", timeout=settings.timeout_s)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=QUEUE, schedule_delay_millis=EVERY_MS)

    def record(self, name: str, place: Span, began_ns: int, ended_ns: int, attributes: Mapping[str, Value]) -> None:
        """Queue a span; the share is taken by the trace's id, so that all sides take the same traces."""
        if (place.trace >> 64) % 10_000 < self._share * 10_000:
            self._processor.on_end(self._span(name, place, began_ns, ended_ns, attributes))

    def close(self) -> None:
        """Send what is queued."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK forgot its type

    def _span(
        self, name: str, place: Span, began_ns: int, ended_ns: int, attributes: Mapping[str, Value]
    ) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
        from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415

        sampled = TraceFlags(TraceFlags.SAMPLED)
        parent = SpanContext(place.trace, place.parent, is_remote=True, trace_flags=sampled) if place.parent else None
        return ReadableSpan(
            name=name,
            context=SpanContext(place.trace, place.span, is_remote=False, trace_flags=sampled),
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            start_time=began_ns,
            end_time=ended_ns,
        )
