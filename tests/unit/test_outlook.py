"""What ``exchange status`` says to see to: from a scrape, by the bounds of the alerts, each with a runbook."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from exchange.metric_names import OF_REGISTRY
from exchange.node import outlook
from exchange.node.outlook import outlook_of
from exchange.prometheus import PrometheusMetrics

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000.0
ALERTS = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules/alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}


def well() -> PrometheusMetrics:
    metrics = PrometheusMetrics(OF_REGISTRY)
    metrics.set("exchange_broker_up", 1)
    metrics.set("exchange_enforcement_timestamp_seconds", NOW - 5)
    metrics.set("exchange_reconciliation_timestamp_seconds", NOW - 5)
    metrics.set("exchange_signing_key_timestamp_seconds", NOW - 86_400)
    metrics.set("exchange_disk_free_bytes", 50, path="/d")
    metrics.set("exchange_disk_size_bytes", 100, path="/d")
    metrics.set("exchange_grants", 3, state="active")
    metrics.set("exchange_adapters", 2, state="running")
    metrics.set("exchange_adapters", 0, state="failed")
    metrics.set("exchange_resource_data_timestamp_seconds", NOW - 10, resource="a")
    metrics.set("exchange_resource_cycle_seconds", 20, resource="a")
    return metrics


def found(metrics: PrometheusMetrics) -> list[str]:
    return [each.runbook for each in outlook_of(metrics.text().decode(), NOW).findings()]


def test_a_node_that_is_well_has_nothing_to_see_to() -> None:
    seen = outlook_of(well().text().decode(), NOW)
    assert seen.findings() == []
    assert (seen.grants, seen.adapters, seen.compared_ago_s) == ({"active": 3}, {"running": 2}, 5.0)


def test_before_its_first_look_a_registry_is_blamed_for_the_broker_only() -> None:
    assert found(PrometheusMetrics(OF_REGISTRY)) == ["ExchangeBrokerDown"]


TROUBLE = {
    "ExchangeBrokerDown": ("exchange_broker_up", 0, {}),
    "ExchangeEnforcementStale": ("exchange_enforcement_timestamp_seconds", NOW - 301, {}),
    "ExchangeReconciliationStale": ("exchange_reconciliation_timestamp_seconds", NOW - 301, {}),
    "ExchangeDiskAlmostFull": ("exchange_disk_free_bytes", 9.9, {"path": "/d"}),
    "ExchangeAdapterFailed": ("exchange_adapters", 1, {"state": "failed"}),
    "ExchangeAdapterSilent": ("exchange_adapters", 1, {"state": "silent"}),
    "ExchangeAdapterWaiting": ("exchange_adapters", 1, {"state": "waiting"}),
    "ExchangeRecordsDiffer": ("exchange_reconciliation_open", 1, {"kind": "lost", "owner": "publisher"}),
    "ExchangeFreshnessBroken": ("exchange_resource_data_timestamp_seconds", NOW - 21, {"resource": "a"}),
    "ExchangeRequestsOverdue": ("exchange_requests_overdue", 1, {"state": "waiting"}),
    "ExchangeObjectionsOverdue": ("exchange_objections_overdue", 1, {"state": "raised"}),
    "ExchangeCertificateExpiring": ("exchange_certificate_expiry_timestamp_seconds", NOW + 20 * 86_400, {"file": "f"}),
    "ExchangeSigningKeyOld": ("exchange_signing_key_timestamp_seconds", NOW - 181 * 86_400, {}),
}


@pytest.mark.parametrize("alert", TROUBLE)
def test_each_trouble_is_named_with_its_runbook(alert: str) -> None:
    metrics = well()
    name, value, labels = TROUBLE[alert]
    metrics.set(name, value, **labels)
    assert found(metrics) == [alert]
    assert (ROOT / f"docs/runbooks/{alert}.md").exists()
    assert name in ALERTS[alert] or alert == "ExchangeAdapterWaiting"


def test_the_bounds_are_those_of_the_alerts() -> None:
    assert ALERTS["ExchangeEnforcementStale"].endswith(f"> {outlook.STALE_S:g}")
    assert ALERTS["ExchangeReconciliationStale"].endswith(f"> {outlook.STALE_S:g}")
    assert ALERTS["ExchangeDiskAlmostFull"].endswith(f"< {outlook.FULL_SHARE:g}")
    assert ALERTS["ExchangeCertificateExpiring"].endswith(f"< {outlook.CERTIFICATE_DAYS} * 86400")
    assert ALERTS["ExchangeSigningKeyOld"].endswith(f"> {outlook.KEY_DAYS} * 86400")
