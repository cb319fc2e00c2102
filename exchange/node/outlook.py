"""What the registry's metrics say about the node in one look, and what of it an operator should see to.

The bounds are those of the alerts (deploy/prometheus/rules/alerts.yml); each finding names the alert's runbook.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from exchange.text import Text

STALE_S = 300.0
FULL_SHARE = 0.1
CERTIFICATE_DAYS = 21
KEY_DAYS = 180
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to see to; ``runbook``: the page under docs/runbooks."""

    what: Text
    runbook: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """The figures of one scrape."""

    grants: Mapping[str, int] = field(default_factory=dict)
    requests: Mapping[str, int] = field(default_factory=dict)
    adapters: Mapping[str, int] = field(default_factory=dict)
    differences: Mapping[str, int] = field(default_factory=dict)
    requests_overdue: int = 0
    objections_overdue: int = 0
    broker_up: bool | None = None
    compared_ago_s: float | None = None
    matched_ago_s: float | None = None
    acl_drift: int = 0
    disk_free: float | None = None
    disk_size: float | None = None
    certificate_left_s: float | None = None
    key_age_s: float | None = None
    audit_entries: int = 0
    late_resources: tuple[str, ...] = ()

    def findings(self) -> list[Finding]:
        """Return what to see to, the worst first."""
        open_ = sum(self.differences.values())
        checks = (
            (self.broker_up is False, "BrokerDown", Text("the broker does not answer", "消息服务无应答")),
            (
                _over(self.compared_ago_s, STALE_S),
                "EnforcementStale",
                Text("ACLs were not compared for long", "长时间未比对 ACL"),
            ),
            (
                bool(self.disk_size) and (self.disk_free or 0) / (self.disk_size or 1) < FULL_SHARE,
                "DiskAlmostFull",
                Text("the disk is almost full", "磁盘即将写满"),
            ),
            *(
                (self.adapters.get(state, 0) > 0, f"Adapter{state.capitalize()}", _adapters(self.adapters, state))
                for state in ("failed", "silent", "waiting")
            ),
            (
                open_ > 0,
                "RecordsDiffer",
                Text(f"open differences: {open_}", f"{open_} 项对账差异未关闭"),
            ),
            (
                _over(self.matched_ago_s, STALE_S),
                "ReconciliationStale",
                Text("receipts were not matched for long", "长时间未对账"),
            ),
            (
                bool(self.late_resources),
                "FreshnessBroken",
                Text(
                    f"data is late: {_some(self.late_resources)}",
                    f"数据逾期未更新：{_some(self.late_resources)}",
                ),
            ),
            (
                self.requests_overdue > 0,
                "RequestsOverdue",
                Text(f"overdue requests: {self.requests_overdue}", f"{self.requests_overdue} 项申请逾期"),
            ),
            (
                self.objections_overdue > 0,
                "ObjectionsOverdue",
                Text(f"overdue objections: {self.objections_overdue}", f"{self.objections_overdue} 项异议逾期"),
            ),
            (
                self.certificate_left_s is not None and self.certificate_left_s < CERTIFICATE_DAYS * DAY_S,
                "CertificateExpiring",
                Text("a certificate ends soon", "证书即将到期"),
            ),
            (
                _over(self.key_age_s, KEY_DAYS * DAY_S),
                "SigningKeyOld",
                Text("the signing key is old", "签名密钥使用过久"),
            ),
        )
        return [Finding(what, f"Exchange{name}") for bad, name, what in checks if bad]


def _adapters(counts: Mapping[str, int], state: str) -> Text:
    en, zh = {
        "failed": ("that failed", "失败"),
        "silent": ("that are silent", "失联"),
        "waiting": ("that wait", "等待中"),
    }[state]
    return Text(f"adapters {en}: {counts.get(state, 0)}", f"{counts.get(state, 0)} 个适配器{zh}")


def outlook_of(metrics: str, now: float | None = None) -> Outlook:
    """Return what a scrape of the registry says."""
    at = time.time() if now is None else now
    found: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))

    def by(name: str, label: str) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for labels, value in found[name]:
            counts[labels[label]] += int(value)
        return {key: count for key, count in counts.items() if count}

    def one(name: str) -> float | None:
        return found[name][0][1] if found[name] else None

    def total(name: str) -> int:
        return int(sum(value for _, value in found[name]))

    def ago(name: str) -> float | None:
        then = one(name)
        return None if not then else max(0.0, at - then)

    ends, broker = one("exchange_certificate_expiry_timestamp_seconds"), one("exchange_broker_up")
    data = {labels["resource"]: value for labels, value in found["exchange_resource_data_timestamp_seconds"]}
    cycles = {labels["resource"]: value for labels, value in found["exchange_resource_cycle_seconds"]}
    return Outlook(
        grants=by("exchange_grants", "state"),
        requests=by("exchange_requests", "state"),
        adapters=by("exchange_adapters", "state"),
        differences=by("exchange_reconciliation_open", "kind"),
        requests_overdue=total("exchange_requests_overdue"),
        objections_overdue=total("exchange_objections_overdue"),
        broker_up=None if broker is None else bool(broker),
        compared_ago_s=ago("exchange_enforcement_timestamp_seconds"),
        matched_ago_s=ago("exchange_reconciliation_timestamp_seconds"),
        acl_drift=total("exchange_acl_drift_total"),
        disk_free=one("exchange_disk_free_bytes"),
        disk_size=one("exchange_disk_size_bytes"),
        certificate_left_s=None if ends is None else ends - at,
        key_age_s=ago("exchange_signing_key_timestamp_seconds"),
        audit_entries=total("exchange_audit_entries"),
        late_resources=tuple(
            sorted(name for name, then in data.items() if name in cycles and at - then > cycles[name])
        ),
    )


def _over(value: float | None, bound: float) -> bool:
    return value is not None and value > bound


def _some(names: tuple[str, ...], most: int = 3) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")
