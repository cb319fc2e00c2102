"""The dashboards as code: ``python deploy/grafana/boards.py FOLDER`` writes each as JSON.

Titles are Chinese, descriptions English. Variables narrow every query: node, division and department are labels that
service discovery gives each target; resource and adapter are labels of the metrics.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
PLACE = 'node=~"$node", division=~"$division", department=~"$department"'
STREAM = f'{PLACE}, resource=~"$resource"'
ADAPTER = f'{STREAM}, adapter=~"$adapter"'
NODE = 'node=~"$node"'
SPAN, HEIGHT, COLUMNS = 8, 7, 24


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: ``queries`` are (PromQL, legend); a number shows the newest value only."""

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    number: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: its variables are asked of the label of a metric."""

    uid: str
    title: str
    description: str
    variables: tuple[str, ...]
    panels: tuple[Panel, ...]


def rate(metric: str, by: str, where: str) -> str:
    """Return the sum of a counter's rates."""
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str, where: str) -> str:
    """Return a quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({metric}_bucket{{{where}}}[$__rate_interval])))"


VARIABLES = {
    "node": ("节点", "label_values(up, node)"),
    "division": ("行政区划", 'label_values(up{node=~"$node"}, division)'),
    "department": ("部门", 'label_values(up{node=~"$node", division=~"$division"}, department)'),
    "resource": ("信息资源", 'label_values(exchange_resource_info{node=~"$node"}, resource)'),
    "adapter": ("适配器", f"label_values(exchange_adapter_paused{{{STREAM}}}, adapter)"),
}
BOARDS = (
    Board(
        "exchange-overview",
        "交换总览",
        "The province at a glance: what moves, who lags, what differs",
        ("node", "division", "department"),
        (
            Panel("在线适配器", "Adapters that report, by state", "short", (
                (f"sum by (state) (exchange_adapters{{{NODE}}})", "{{state}}"),), number=True),
            Panel("有效授权", "Grants by state", "short", (
                (f"sum by (state) (exchange_grants{{{NODE}}})", "{{state}}"),), number=True),
            Panel("未关闭差异", "Open differences by kind and owner", "short", (
                (f"sum by (kind, owner) (exchange_reconciliation_open{{{NODE}}})", "{{kind}} {{owner}}"),)),
            Panel("各区划发布速率", "Records published a second, by division", "rps", (
                (rate("exchange_published_records_total", "division", PLACE), "{{division}}"),)),
            Panel("各部门发布速率", "Records published a second, by department", "rps", (
                (rate("exchange_published_records_total", "department", PLACE), "{{department}}"),)),
            Panel("各部门落地速率", "Records landed a second, by department", "rps", (
                (rate("exchange_landed_records_total", "department", PLACE), "{{department}}"),)),
            Panel("积压记录", "Records that wait in the topics, by department", "short", (
                (f"sum by (department) (exchange_lag_records{{{PLACE}}})", "{{department}}"),)),
            Panel("超周期资源占比", "Age of the newest data in update cycles; above 1 the promise is broken", "short", (
                ("topk(10, resource:exchange_freshness:ratio)", "{{resource}}"),)),
            Panel("申请办理", "Open requests, and those past their deadline", "short", (
                (f"sum by (state) (exchange_requests{{{NODE}}})", "{{state}}"),
                (f"sum(exchange_requests_overdue{{{NODE}}})", "超期"))),
        ),
    ),
    Board(
        "exchange-resource",
        "信息资源",
        "One resource: its source, its subscribers, its freshness",
        ("node", "division", "department", "resource"),
        (
            Panel("发布与落地", "Records a second, published and landed", "rps", (
                (rate("exchange_published_records_total", "resource", STREAM), "发布 {{resource}}"),
                (rate("exchange_landed_records_total", "resource", STREAM), "落地 {{resource}}"))),
            Panel("端到端时延", "From publication to landing: median and 99th percentile", "s", (
                (quantile(0.5, "exchange_end_to_end_seconds", "resource", STREAM), "p50 {{resource}}"),
                (quantile(0.99, "exchange_end_to_end_seconds", "resource", STREAM), "p99 {{resource}}"))),
            Panel("各订阅方积压", "Records that wait, by subscriber", "short", (
                (f"sum by (client_id) (exchange_lag_records{{{STREAM}}})", "{{client_id}}"),)),
            Panel("数据龄期", "Seconds since the source last published", "s", (
                ('time() - exchange_resource_data_timestamp_seconds{resource=~"$resource"}', "{{resource}}"),)),
            Panel("更新周期", "What the catalogue promises", "s", (
                ('exchange_resource_cycle_seconds{resource=~"$resource"}', "{{resource}}"),)),
            Panel("拒收", "Records rejected a second, by rule", "rps", (
                (rate("exchange_rejected_records_total", "rule", STREAM), "{{rule}}"),)),
            Panel("质量规则命中", "Findings of quality rules a second", "rps", (
                (rate("exchange_quality_total", "item, rule, action", STREAM), "{{item}} {{rule}} {{action}}"),)),
        ),
    ),
    Board(
        "exchange-adapter",
        "适配器",
        "One adapter: throughput, batches, waiting, lag",
        ("node", "division", "department", "resource", "adapter"),
        (
            Panel("速率", "Records a second", "rps", (
                (rate("exchange_published_records_total", "adapter", ADAPTER), "发布 {{adapter}}"),
                (rate("exchange_landed_records_total", "adapter", ADAPTER), "落地 {{adapter}}"))),
            Panel("流量", "Bytes a second", "Bps", (
                (rate("exchange_published_bytes_total", "adapter", ADAPTER), "发布 {{adapter}}"),
                (rate("exchange_landed_bytes_total", "adapter", ADAPTER), "落地 {{adapter}}"))),
            Panel("批次", "Committed transactions a second", "rps", (
                (rate("exchange_published_batches_total", "adapter", ADAPTER), "发布 {{adapter}}"),
                (rate("exchange_landed_batches_total", "adapter", ADAPTER), "落地 {{adapter}}"))),
            Panel("单批用时", "Time of a batch, 99th percentile", "s", (
                (quantile(0.99, "exchange_batch_seconds", "adapter", ADAPTER), "{{adapter}}"),)),
            Panel("积压", "Records that wait in the topic, and those in hand", "short", (
                (f"exchange_lag_records{{{ADAPTER}}}", "等待 {{adapter}}"),
                (f"exchange_queue_records{{{ADAPTER}}}", "处理中 {{adapter}}"))),
            Panel("落后时间", "How far behind, in seconds", "s", (
                (f"exchange_lag_seconds{{{ADAPTER}}}", "{{adapter}}"),)),
            Panel("等待与暂停", "1 while it waits for its other side, or is paused", "short", (
                (f"exchange_adapter_waiting{{{ADAPTER}}}", "等待 {{adapter}}"),
                (f"exchange_adapter_paused{{{ADAPTER}}}", "暂停 {{adapter}}"))),
            Panel("复制槽", "Log that the source database keeps", "bytes", (
                (f"exchange_replication_slot_bytes{{{ADAPTER}}}", "{{slot}}"),)),
            Panel("距上次提交", "Seconds since the last committed batch", "s", (
                (f"time() - exchange_last_commit_timestamp_seconds{{{ADAPTER}}}", "{{adapter}}"),)),
        ),
    ),
    Board(
        "exchange-enforcement",
        "授权执行与消息服务",
        "The broker as the registry sees it: grants enforced, drift repaired",
        ("node",),
        (
            Panel("消息服务", "1 while the broker answers", "short", (
                (f"exchange_broker_up{{{NODE}}}", "{{node}}"),), number=True),
            Panel("ACL 偏差", "ACLs found wrong and repaired", "short", (
                (f"sum by (action) (increase(exchange_acl_drift_total{{{NODE}}}[$__range]))", "{{action}}"),)),
            Panel("执行用时", "Time of an enforcement, 99th percentile, by scope", "s", (
                (quantile(0.99, "exchange_enforcement_seconds", "scope", NODE), "{{scope}}"),)),
            Panel("距上次全量比对", "Seconds since the broker was compared as a whole", "s", (
                (f"time() - max by (node) (exchange_enforcement_timestamp_seconds{{{NODE}}})", "{{node}}"),)),
            Panel("回执", "Receipts taken in a second, by side", "rps", (
                (rate("exchange_receipts_total", "side", NODE), "{{side}}"),)),
            Panel("待对账批次", "Batches that are on their way", "short", (
                (f"exchange_reconciliation_pending{{{NODE}}}", "{{node}}"),)),
        ),
    ),
    Board(
        "exchange-kafka",
        "消息服务（Kafka）",
        "Kafka as it sees itself: traffic, requests, refusals, partitions, log, heap",
        ("node",),
        (
            Panel("流量", "Bytes a second, into the broker and out of it", "Bps", (
                (rate("kafka_bytes_total", "node, way", NODE), "{{way}} {{node}}"),)),
            Panel("写入消息", "Records a second that the broker took, marks and receipts among them", "rps", (
                (rate("kafka_messages_in_total", "node", NODE), "{{node}}"),)),
            Panel("请求速率", "Requests a second: the ten kinds that come most", "rps", (
                (f"topk(10, {rate('kafka_requests_total', 'request', NODE)})", "{{request}}"),)),
            Panel("请求用时", "Time of a request at the broker; a fetch waits for data", "s", (
                (f'kafka_request_seconds{{{NODE}, percentile=~"50|99"}}', "p{{percentile}} {{request}}"),)),
            Panel("请求线程空闲率", "Share of time that request threads have nothing to do; below 0.3 it is overloaded",
                "percentunit", ((f"kafka_request_handlers_idle_ratio{{{NODE}}}", "{{node}}"),)),
            Panel("授权拒绝", "Answers a second that refuse for want of an ACL, by request", "rps", (
                (rate("kafka_answers_total", "request, error", f'{NODE}, error=~".*AUTHORIZATION_FAILED"'),
                    "{{request}} {{error}}"),)),
            Panel("登录", "Log-ins a second, by outcome", "rps", (
                (rate("kafka_logins_total", "outcome", NODE), "{{outcome}}"),)),
            Panel("连接数", "Open connections, by listener", "short", (
                (f"sum by (listener) (kafka_connections{{{NODE}}})", "{{listener}}"),)),
            Panel("异常分区", "Partitions that are under-replicated, under min ISR, offline, or cannot be compacted",
                "short", ((f"sum by (why) (kafka_partitions_at_risk{{{NODE}}})", "{{why}}"),)),
            Panel("分区数", "Partitions that the broker holds", "short", (
                (f"kafka_partitions{{{NODE}}}", "{{node}}"),), number=True),
            Panel("日志大小", "Bytes of the ten largest topics", "bytes", (
                (f"topk(10, sum by (topic) (kafka_log_size_bytes{{{NODE}}}))", "{{topic}}"),)),
            Panel("堆内存", "Heap of the broker's JVM, used and at most", "bytes", (
                (f'jvm_memory_used_bytes{{{NODE}, job="exchange-kafka", area="heap"}}', "已用 {{node}}"),
                (f'jvm_memory_max_bytes{{{NODE}, job="exchange-kafka", area="heap"}}', "上限 {{node}}"))),
            Panel("垃圾回收", "Share of time spent collecting garbage", "percentunit", (
                (rate("jvm_gc_collection_seconds_sum", "gc", f'{NODE}, job="exchange-kafka"'), "{{gc}}"),)),
        ),
    ),
    Board(
        "exchange-registry",
        "登记中心",
        "The registry: answers, tokens, decisions, audit, disk",
        ("node",),
        (
            Panel("应答速率", "HTTP answers a second, by status", "rps", (
                (rate("exchange_http_request_seconds_count", "status", NODE), "{{status}}"),)),
            Panel("应答用时", "99th percentile of an answer, by route", "s", (
                (f"topk(10, {quantile(0.99, 'exchange_http_request_seconds', 'route', NODE)})", "{{route}}"),)),
            Panel("令牌", "Token requests a second, by outcome", "rps", (
                (rate("exchange_tokens_total", "outcome", NODE), "{{outcome}}"),)),
            Panel("决定", "Decisions in the time shown", "short", (
                (f"sum by (decision) (increase(exchange_decisions_total{{{NODE}}}[$__range]))", "{{decision}}"),)),
            Panel("审计条目", "Entries in the audit's chain", "short", (
                (f"exchange_audit_entries{{{NODE}}}", "{{node}}"),), number=True),
            Panel("未签名审计条目", "Entries of the audit that no signed head vouches for yet", "short", (
                (f"exchange_audit_entries{{{NODE}}} - exchange_audit_head_entries{{{NODE}}}", "{{node}}"),)),
            Panel("模式主题", "Subjects of the schema registry", "short", (
                (f"exchange_subjects{{{NODE}}}", "{{node}}"),), number=True),
            Panel("磁盘剩余", "Share of the disk that is free", "percentunit", (
                (f"exchange_disk_free_bytes{{{NODE}}} / exchange_disk_size_bytes{{{NODE}}}", "{{path}}"),)),
            Panel("密钥启用天数", "Days that the signing key has signed", "d", (
                (f"(time() - exchange_signing_key_timestamp_seconds{{{NODE}}}) / 86400", "{{node}}"),), number=True),
        ),
    ),
    Board(
        "exchange-evaluation",
        "绩效评价",
        "The newest evaluation of departments, quality and freshness of their data, drift of the catalogue",
        ("node", "resource"),
        (
            Panel("平均得分", "Mean score of the departments that have one", "short", (
                (f"avg(exchange_evaluation_score{{{NODE}}})", "平均"),), number=True),
            Panel("各指标平均值", "Mean of each indicator over the departments", "percentunit", (
                (f"max by (indicator) (exchange_evaluation_indicator_ratio{{{NODE}}})", "{{indicator}}"),
            ), number=True),
            Panel("目录偏差", "Entries without data, undeclared columns, unused grants", "short", (
                (f"sum by (kind) (exchange_catalogue_drift{{{NODE}}})", "{{kind}}"),), number=True),
            Panel("得分最高的部门", "Departments with the highest scores", "short", (
                (f"topk(10, max by (department) (exchange_evaluation_score{{{NODE}}}))", "{{department}}"),)),
            Panel("得分最低的部门", "Departments with the lowest scores", "short", (
                (f"bottomk(10, max by (department) (exchange_evaluation_score{{{NODE}}}))", "{{department}}"),)),
            Panel("质量最差的资源", "Resources whose rows break most rules", "percentunit", (
                (f'bottomk(10, exchange_resource_quality_ratio{{{NODE}, resource=~"$resource"}})', "{{resource}}"),)),
        ),
    ),
    Board(
        "exchange-service-levels",
        "服务水平",
        "Service levels: the registry answers without fault (99.9 %), records land within 10 s (99 %)",
        ("node",),
        (
            Panel("登记中心错误率", "Share of answers that are faults", "percentunit", (
                (f"node:exchange_http_errors:ratio5m{{{NODE}}}", "5m {{node}}"),
                (f"node:exchange_http_errors:ratio1h{{{NODE}}}", "1h {{node}}"))),
            Panel("迟到落地占比", "Share of landings later than 10 s", "percentunit", (
                (f"node:exchange_late_landings:ratio5m{{{NODE}}}", "5m {{node}}"),
                (f"node:exchange_late_landings:ratio1h{{{NODE}}}", "1h {{node}}"))),
            Panel("错误预算消耗", "How many times faster than allowed the error budget burns", "short", (
                (f"node:exchange_http_errors:ratio1h{{{NODE}}} / 0.001", "可用性 {{node}}"),
                (f"node:exchange_late_landings:ratio1h{{{NODE}}} / 0.01", "时延 {{node}}"))),
        ),
    ),
)  # fmt: skip


def built(board: Board) -> dashboard.Dashboard:
    """Return the SDK's builder of a board; panels stand three in a row."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["exchange"])
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(dashboard.DatasourceVariable("datasource").label("数据源").type("prometheus"))
    )
    for name in board.variables:
        label, query = VARIABLES[name]
        made = made.with_variable(
            dashboard.QueryVariable(name)
            .label(label)
            .query(query)
            .datasource(SOURCE)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        )
    for at, panel in enumerate(board.panels):
        place = dashboard_position(at)
        made = made.with_panel(_panel(panel).grid_pos(place))
    return made


def dashboard_position(at: int) -> object:
    """Return the place of the panel with this number."""
    from grafana_foundation_sdk.models.dashboard import GridPos  # noqa: PLC0415

    in_row = COLUMNS // SPAN
    return GridPos(h=HEIGHT, w=SPAN, x=at % in_row * SPAN, y=at // in_row * HEIGHT)


def _panel(panel: Panel) -> timeseries.Panel | stat.Panel:
    made = (stat.Panel() if panel.number else timeseries.Panel()).title(panel.title).description(panel.description)
    made = made.unit(panel.unit).datasource(SOURCE)
    for number, (expression, legend) in enumerate(panel.queries):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + number))
        made = made.with_target(query)
    return made


def main(folder: Path) -> None:
    """Write all dashboards into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        found = json.loads(JSONEncoder(sort_keys=True, indent=2).encode(built(board).build()))
        for number, panel in enumerate(found["panels"], 1):
            panel["id"] = number
        text = json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True)
        (folder / f"{board.uid}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
