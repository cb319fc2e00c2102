"""Every metric of the bus: its kind, labels and meaning; ``docs/metrics.md`` is held against this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from exchange.text import Text

STREAM = ("adapter", "resource")


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric: its kind, what it says, its labels. The unit is the end of its name."""

    kind: Literal["counter", "gauge", "histogram"]
    help: Text
    labels: tuple[str, ...] = ()


def _counter(en: str, zh: str, *labels: str) -> Declared:
    return Declared("counter", Text(en, zh), labels)


def _gauge(en: str, zh: str, *labels: str) -> Declared:
    return Declared("gauge", Text(en, zh), labels)


def _histogram(en: str, zh: str, *labels: str) -> Declared:
    return Declared("histogram", Text(en, zh), labels)


BOTH = {
    "exchange_build_info": _gauge(
        "1, with the version of the process", "恒为 1，标签为进程版本", "component", "version"
    ),
    "exchange_disk_free_bytes": _gauge("Room left on the disk of a data folder", "数据目录所在磁盘的剩余空间", "path"),
    "exchange_disk_size_bytes": _gauge("Size of the disk of a data folder", "数据目录所在磁盘的总容量", "path"),
    "exchange_certificate_expiry_timestamp_seconds": _gauge(
        "When a certificate that the process trusts ends", "所信任证书的到期时间", "file"
    ),
}
ADAPTER = {
    "exchange_published_records_total": _counter(
        "Records published, deletes among them", "已发布记录数，含删除", *STREAM
    ),
    "exchange_published_bytes_total": _counter("Bytes of published values", "已发布字节数", *STREAM),
    "exchange_published_batches_total": _counter("Committed publishing transactions", "已提交的发布批次", *STREAM),
    "exchange_landed_records_total": _counter("Records landed, deletes among them", "已落地记录数，含删除", *STREAM),
    "exchange_landed_bytes_total": _counter("Bytes taken from the broker", "从消息服务取得的字节数", *STREAM),
    "exchange_landed_batches_total": _counter("Committed landing transactions", "已提交的落地事务", *STREAM),
    "exchange_read_records_total": _counter(
        "Rows or records read, by outcome: taken or rejected", "读取的记录数（接收或拒收）", *STREAM, "outcome"
    ),
    "exchange_rejected_records_total": _counter("Records rejected, by rule", "按规则统计的拒收记录数", *STREAM, "rule"),
    "exchange_quality_total": _counter(
        "Findings of the adapter file's quality rules", "质量规则命中次数", *STREAM, "item", "rule", "action"
    ),
    "exchange_retries_total": _counter(
        "Times that the engine waited for the other side", "等待对方恢复的次数", *STREAM, "reason"
    ),
    "exchange_batch_seconds": _histogram("Time of one batch, from read to commit", "单批从读取到提交的用时", *STREAM),
    "exchange_end_to_end_seconds": _histogram(
        "From the publisher's clock to the landing's commit", "从发布到落地提交的时延", *STREAM
    ),
    "exchange_lag_records": _gauge(
        "Records that wait in the topic, about: marks of transactions count too",
        "主题中待落地的记录数（近似）",
        *STREAM,
    ),
    "exchange_lag_seconds": _gauge(
        "Age of the newest record taken while others wait; 0 when none do",
        "积压时最近取得记录的时间差，无积压为 0",
        *STREAM,
    ),
    "exchange_queue_records": _gauge(
        "Records taken from the broker and not committed yet", "已取得而未提交的记录数", *STREAM
    ),
    "exchange_last_commit_timestamp_seconds": _gauge(
        "When the last batch was committed", "最近一次提交的时间", *STREAM
    ),
    "exchange_adapter_paused": _gauge("1 while an operator has paused the adapter", "被人工暂停时为 1", *STREAM),
    "exchange_adapter_waiting": _gauge(
        "1 while the adapter waits for its broker, registry or database",
        "等待消息服务、登记中心或数据库时为 1",
        *STREAM,
    ),
    "exchange_replication_slot_bytes": _gauge(
        "Log that the source database keeps for the replication slot", "源数据库为复制槽保留的日志量", *STREAM, "slot"
    ),
}
REGISTRY = {
    "exchange_acl_drift_total": _counter(
        "ACLs that the enforcer found wrong and repaired", "执行器发现并修复的 ACL 偏差", "action"
    ),
    "exchange_enforcement_seconds": _histogram("Time of one enforcement", "单次授权执行的用时", "scope"),
    "exchange_enforcement_failures_total": _counter("Enforcements that the broker did not take", "未生效的执行次数"),
    "exchange_enforcement_timestamp_seconds": _gauge(
        "When the broker was last compared as a whole and is as it should be", "最近一次全量比对成功的时间"
    ),
    "exchange_broker_up": _gauge("1 when the broker answered the registry last", "消息服务最近应答时为 1"),
    "exchange_grants": _gauge("Grants by state", "各状态的授权数", "state"),
    "exchange_requests": _gauge("Requests by state", "各状态的申请数", "state"),
    "exchange_requests_overdue": _gauge("Open requests past their deadline", "超过工作日时限的申请数", "state"),
    "exchange_objections_overdue": _gauge("Open objections past their deadline", "超过时限的异议数", "state"),
    "exchange_decisions_total": _counter("Decisions on requests", "对申请的决定次数", "decision"),
    "exchange_tokens_total": _counter("Token requests by outcome", "令牌申请次数（按结果）", "outcome"),
    "exchange_receipts_total": _counter("Receipts that the registry took in", "登记中心收到的回执数", "side"),
    "exchange_receipt_signatures_total": _counter(
        "Receipts by what their signature is worth", "回执数（按签名校验结果）", "result"
    ),
    "exchange_certificates_total": _counter("Daily certificates that were issued", "已签发的日凭证数"),
    "exchange_reconciliation_open": _gauge(
        "Open differences between what was published and what was landed", "未关闭的对账差异数", "kind", "owner"
    ),
    "exchange_reconciliation_differences_total": _counter(
        "Differences that reconciliation found", "对账发现的差异数", "kind", "owner"
    ),
    "exchange_reconciliation_pending": _gauge(
        "Published batches that a subscriber has not landed whole, within the grace", "宽限期内尚未完整落地的批次数"
    ),
    "exchange_reconciliation_timestamp_seconds": _gauge("When receipts were last matched", "最近一次对账的时间"),
    "exchange_resource_info": _gauge(
        "1, with title, department and division of a published resource", "恒为 1，标签为资源名称、部门与区划",
        "resource", "title", "department", "division",
    ),
    "exchange_resource_data_timestamp_seconds": _gauge(
        "When the source last published data of a resource", "资源最近一次发布数据的时间", "resource"
    ),
    "exchange_resource_cycle_seconds": _gauge(
        "The longest time between two updates that the catalogue allows", "目录规定的更新周期", "resource"
    ),
    "exchange_resource_quality_ratio": _gauge(
        "Share of the rows of the last 30 days that broke no rule", "最近 30 天未违反规则的行占比", "resource"
    ),
    "exchange_catalogue_drift": _gauge(
        "Entries without data, sources with columns that the catalogue lacks, grants without use",
        "目录与数据的偏差：无数据条目、未列入目录的列、未使用的授权", "kind",
    ),
    "exchange_evaluation_score": _gauge(
        "Score of a department in the newest evaluation of a period that is over", "最近一次正式评价的部门得分",
        "department", "division",
    ),
    "exchange_evaluation_indicator_ratio": _gauge(
        "Mean of an indicator over the departments in the newest evaluation of a period that is over",
        "最近一次正式评价的指标平均值", "indicator",
    ),
    "exchange_adapters": _gauge("Adapters that reported to the registry", "已登记运行的适配器数", "state"),
    "exchange_notices_total": _counter(
        "Notices to systems, on the bus and by webhook", "发给业务系统的通知数", "way", "outcome"
    ),
    "exchange_http_request_seconds": _histogram("HTTP answers", "HTTP 应答用时", "method", "route", "status"),
    "exchange_http_faults_total": _counter(
        "HTTP answers with a status of 500 or above; from 0 on, so that the first one is seen",
        "状态码 500 及以上的 HTTP 应答数",
    ),
    "exchange_subjects": _gauge("Subjects of the schema registry", "模式登记中的主题数"),
    "exchange_audit_entries": _gauge("Entries in the audit's chain", "审计链条目数"),
    "exchange_audit_head_entries": _gauge(
        "Entries that the newest signed head vouches for", "最新签名链头所覆盖的审计条目数"
    ),
    "exchange_audit_head_timestamp_seconds": _gauge("When the audit's head was last signed", "审计链头最近签名时间"),
    "exchange_signing_key_timestamp_seconds": _gauge(
        "Since when the key that signs tokens has signed", "令牌签名密钥的启用时间"
    ),
}  # fmt: skip
# What each process shows. A gauge without labels is shown as 0 before it is set, and a foreign one would never be set:
# an adapter that showed the registry's would say that the broker is down.
OF_ADAPTER: dict[str, Declared] = {**BOTH, **ADAPTER}
OF_REGISTRY: dict[str, Declared] = {**BOTH, **REGISTRY}
DECLARED: dict[str, Declared] = {**BOTH, **ADAPTER, **REGISTRY}
