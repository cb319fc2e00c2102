"""Spans: a batch's publication and landings meet in its own trace; nothing is loaded when nothing is configured."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest

from exchange import tracing
from exchange.otlp import start_tracing
from exchange.settings import TracingSettings
from exchange.tracing import TRACING, Span
from tests.support.collector import attributes, collector


def test_a_batch_is_a_trace_of_its_own() -> None:
    batch = uuid.uuid4().hex
    with collector() as found:
        start_tracing(TracingSettings(endpoint=found.url), "adapter")
        TRACING.record("publish", tracing.published(batch), 0.25, {"exchange.records": 5})
        TRACING.record("land", tracing.landed(batch), 0.5, {})
        TRACING.record("land", tracing.landed(batch), 0.5, {})
        TRACING.close()
    published, *landed = found.spans
    assert {span.trace_id.hex() for span in found.spans} == {batch}
    assert not published.parent_span_id
    assert {span.parent_span_id for span in landed} == {published.span_id}
    assert len({span.span_id for span in found.spans}) == 3
    assert published.end_time_unix_nano - published.start_time_unix_nano == 250_000_000
    assert attributes(published) == {"exchange.records": 5}
    assert found.services == {"exchange-adapter"}


def test_a_share_is_the_same_traces_everywhere() -> None:
    spans = [Span(uuid.uuid4().int, tracing.new_span()) for _ in range(400)]
    taken: list[set[bytes]] = []
    for component in ("registry", "adapter"):
        with collector() as found:
            start_tracing(TracingSettings(endpoint=found.url, share=0.25), component)
            for span in spans:
                TRACING.record("x", span, 0, {})
            TRACING.close()
        taken.append({span.trace_id for span in found.spans})
    assert taken[0] == taken[1]
    assert 40 < len(taken[0]) < 160


def test_nothing_is_loaded_and_recorded_without_an_endpoint() -> None:
    start_tracing(TracingSettings(), "adapter")
    assert not TRACING.on
    words = (
        "import sys, registry.__main__, adapters.launch, adapters.engine_sink, exchange.otlp;"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.timeout(60)
def test_a_collector_that_is_away_holds_nobody_up() -> None:
    start_tracing(TracingSettings(endpoint="http://127.0.0.1:1", timeout_s=1), "adapter")
    for _ in range(20_000):  # more than the queue holds
        TRACING.record("x", Span(1, tracing.new_span()), 0, {})
    TRACING.close()
