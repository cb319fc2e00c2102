"""Spans, recorded after the fact; OpenTelemetry stands behind them in ``exchange.otlp``, when it is configured.

A batch's id is 16 bytes, and so is a trace's: the trace of a batch *is* the batch. What its publisher sent and what
each subscriber landed meet in one trace without another header. A request's trace is that of its ``traceparent``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

Value = str | int | float | bool
SPAN_LIMIT = 1 << 64  # a span's id has 8 bytes


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a trace: 16 and 8 bytes, as numbers; ``parent`` 0: the trace's first."""

    trace: int
    span: int
    parent: int = 0


class Recorder(Protocol):
    """What takes spans."""

    def record(self, name: str, place: Span, began_ns: int, ended_ns: int, attributes: Mapping[str, Value]) -> None:
        """Take a span that has ended; never raises, never waits."""

    def close(self) -> None:
        """Send what was taken."""


class Tracing:
    """The spans of this process: nowhere, until a recorder is installed."""

    def __init__(self) -> None:
        self._recorder: Recorder | None = None

    @property
    def on(self) -> bool:
        """Whether anybody takes spans: what a span costs to describe is spent only then."""
        return self._recorder is not None

    def install(self, recorder: Recorder) -> None:
        """Give spans to a recorder from now on."""
        self._recorder = recorder

    def record(self, name: str, place: Span, seconds: float, facts: Mapping[str, Value]) -> None:
        """Record what took so long and ends now."""
        if self._recorder is not None:
            ended = time.time_ns()
            self._recorder.record(name, place, ended - int(seconds * 1e9), ended, facts)

    def close(self) -> None:
        """Send what was recorded, and record no more."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()


TRACING = Tracing()
CURRENT: ContextVar[Span | None] = ContextVar("span", default=None)  # of the request that runs


def published(batch: str) -> Span:
    """Return the span of a batch's publication: the first of the trace that has the batch's id (32 hex digits)."""
    trace = int(batch, 16)
    return Span(trace, _first(trace))


def landed(batch: str) -> Span:
    """Return a span of a batch's landing, which follows from its publication."""
    trace = int(batch, 16)
    return Span(trace, new_span(), _first(trace))


def new_span() -> int:
    """Return the id of a new span: never 0."""
    return secrets.randbelow(SPAN_LIMIT - 1) + 1


def _first(trace: int) -> int:
    return trace % SPAN_LIMIT or 1
