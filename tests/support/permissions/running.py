"""Running adapters: a system reports for itself; lists show what the caller sees."""

from __future__ import annotations

from tests.support.permissions.matrix import NO_AUDITOR, Call, Row, Stage, nothing

API = "/api/v1"
REPORT = {
    "name": "villages-out",
    "side": "source",
    "kind": "csv",
    "resource": "307440000-000001",
    "host": "front-1",
    "version": "0.1.0",
    "metrics_address": "10.0.0.1:9441",
    "state": "running",
    "records_total": 10,
    "rejected_total": 0,
    "started_at": "2026-11-01T00:00:00Z",
}


def report(_stage: Stage) -> Call:
    return Call(f"{API}/adapters", REPORT)


ROWS = (
    Row("POST", f"{API}/adapters", report, {"system": "++++"}),
    Row("GET", f"{API}/adapters", nothing(f"{API}/adapters"), NO_AUDITOR),
    Row("GET", f"{API}/prometheus/targets", nothing(f"{API}/prometheus/targets"), NO_AUDITOR),
)
