"""One frame of ``exchange top``: what the registry knows of the running adapters, those with trouble first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text as Markup

from exchange.text import Text

Adapter = Mapping[str, Any]
TROUBLE = ("failed", "silent", "waiting", "paused")
ORDER = (*TROUBLE, "running", "scheduled", "stopped")
COLOURS = {
    "failed": "bold red",
    "silent": "bold red",
    "waiting": "yellow",
    "paused": "yellow",
    "running": "green",
    "scheduled": "cyan",
    "stopped": "dim",
}
STATES = {
    "failed": Text("failed", "失败"),
    "silent": Text("silent", "失联"),
    "waiting": Text("waiting", "等待"),
    "paused": Text("paused", "暂停"),
    "running": Text("running", "运行"),
    "scheduled": Text("scheduled", "待调度"),
    "stopped": Text("stopped", "停止"),
}
SIDES = {"source": Text("out", "发布"), "sink": Text("in", "落地")}
NO_RATE = frozenset({"failed", "silent", "stopped"})  # what it said last is no rate of now
LONG_LAG_S = 300.0  # what the alert ExchangeLagHigh says
HEAD_LINES, FOOT_LINES = 5, 1
WIDE = 170  # all columns: a page that is no terminal


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was asked at one instant; ``problem``: why it is not newer."""

    node: str
    url: str
    at: datetime
    adapters: Sequence[Adapter] = ()
    facts: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


def ordered(adapters: Iterable[Adapter]) -> list[Adapter]:
    """Return the adapters, trouble first, then by resource, publishers before subscribers."""
    return sorted(
        adapters,
        key=lambda a: (ORDER.index(a["state"]), a["resource"], a["side"] == "sink", a["client_id"], a["name"]),
    )


def totals(adapters: Sequence[Adapter]) -> dict[str, Any]:
    """Return what all of them do together; what does not run counts no rate."""
    active = [each for each in adapters if each["state"] not in NO_RATE]
    rates = {side: sum(a["records_per_s"] for a in active if a["side"] == side) for side in SIDES}
    return {
        "states": dict(Counter(each["state"] for each in adapters)),
        "resources": len({each["resource"] for each in adapters}),
        "records_per_s": rates,
        "rejected": sum(each["rejected_total"] for each in adapters),
        "lag_records": sum(each["lag_records"] or 0 for each in adapters),
        "lag_seconds": max((each["lag_seconds"] or 0.0 for each in adapters), default=0.0),
    }


def frame(snapshot: Snapshot, width: int = WIDE, height: int | None = None) -> RenderableType:
    """Return the frame for a screen of that size.

    ``height``: lines that there are, so that what is well is left out rather than what is not.
    """
    shown = ordered(snapshot.adapters)
    room = len(shown) if height is None else max(1, height - HEAD_LINES - FOOT_LINES - 1)
    parts: list[RenderableType] = [*_head(snapshot), Markup(), _table(shown[:room], snapshot.at, width)]
    if len(shown) > room:
        parts.append(Markup(_MORE.format(n=len(shown) - room), style="dim"))
    if not shown:
        parts.append(Markup(_NONE.format(), style="dim"))
    return Group(*parts)


def _head(snapshot: Snapshot) -> list[Markup]:
    found, facts = totals(snapshot.adapters), snapshot.facts
    states = "  ".join(
        f"[{COLOURS[name]}]{STATES[name].format()} {found['states'][name]}[/]"
        for name in ORDER
        if name in found["states"]
    )
    first = f"[bold]{escape(snapshot.node)}[/]  [dim]{escape(snapshot.url)}  {snapshot.at.astimezone():%H:%M:%S}[/]"
    if snapshot.problem:
        first += f"  [bold red]{escape(snapshot.problem)}[/]"
    broker = _STATE_OF_BROKER[bool(facts.get("broker_up", 1))].format()
    colour = "green" if facts.get("broker_up", 1) else "bold red"
    words = [
        f"[{colour}]{broker}[/]",
        _GRANTS.format(n=f"{facts.get('grants_active', 0):.0f}"),
        _marked(_DIFFERENCES.format(n=f"{facts.get('differences_open', 0):.0f}"), facts.get("differences_open", 0) > 0),
        _marked(_DRIFT.format(n=f"{facts.get('acl_drift', 0):.0f}"), facts.get("acl_drift", 0) > 0),
    ]
    rates = found["records_per_s"]
    flow = _FLOW.format(
        out=f"{rates['source']:,.0f}",
        into=f"{rates['sink']:,.0f}",
        lag=f"{found['lag_records']:,}",
        rejects=f"{found['rejected']:,}",
    )
    lines = (first, "   ".join(words), flow, states)
    head = [Markup.from_markup(line, overflow="ellipsis") for line in lines]
    for line in head:
        line.no_wrap = True
    return head


def _table(adapters: Sequence[Adapter], at: datetime, width: int) -> Table:
    """Return the rows, in as many columns as there is room for: names are cut before a column that matters goes."""
    columns = [column for column in _COLUMNS if width >= column.least_width]
    drawn = Table(box=None, header_style="bold reverse", pad_edge=False, expand=True)
    for column in columns:
        drawn.add_column(
            column.title.format(),
            justify="right" if column.number else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=column.ratio,
        )
    for each in adapters:
        drawn.add_row(*(column.cell(each, at) for column in columns))
    return drawn


def _state(each: Adapter, _at: datetime) -> str:
    return f"[{COLOURS[each['state']]}]{STATES[each['state']].format()}[/]"


def _lag_s(each: Adapter, _at: datetime) -> str:
    lag = each["lag_seconds"]
    return "" if lag is None else _marked(f"{lag:,.1f}", lag > LONG_LAG_S)


def _heard(each: Adapter, at: datetime) -> str:
    return f"{max(0.0, (at - datetime.fromisoformat(each['seen_at'])).total_seconds()):.0f}s"


def _marked(words: str, bad: bool) -> str:
    return f"[red]{words}[/]" if bad else words


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: what it is called and holds, and how wide the screen must be for it."""

    title: Text
    cell: Callable[[Adapter, datetime], str]
    least_width: int = 0
    number: bool = True
    ratio: int | None = None


_COLUMNS = (
    _Column(Text("state", "状态"), _state, number=False),
    _Column(Text("resource", "信息资源"), lambda a, _: escape(a["resource"]), number=False),
    _Column(Text("", ""), lambda a, _: SIDES[a["side"]].format(), number=False),
    _Column(
        Text("system/adapter", "系统/适配器"),
        lambda a, _: escape(f"{a['client_id']}/{a['name']}"),
        number=False,
        ratio=4,
    ),
    _Column(Text("kind", "类型"), lambda a, _: escape(a["kind"]), 140, number=False),
    _Column(
        Text("rows/s", "条/秒"),
        lambda a, _: "" if a["state"] in NO_RATE else f"{a['records_per_s']:,.0f}",
    ),
    _Column(Text("records", "记录数"), lambda a, _: f"{a['records_total']:,}", 120),
    _Column(Text("rejects", "拒收"), lambda a, _: _marked(f"{a['rejected_total']:,}", a["rejected_total"] > 0), 100),
    _Column(Text("behind", "积压"), lambda a, _: "" if a["lag_records"] is None else f"{a['lag_records']:,}"),
    _Column(Text("lag s", "延迟秒"), _lag_s),
    _Column(Text("heard", "上报"), _heard, 130),
    _Column(Text("error", "错误"), lambda a, _: f"[red]{escape(a['error'] or '')}[/]", 110, number=False, ratio=2),
)
_MORE = Text("… and {n} more that are well", "… 另有 {n} 个正常")
_NONE = Text("No adapter has reported yet.", "尚无适配器上报。")
_STATE_OF_BROKER = {True: Text("broker up", "消息服务正常"), False: Text("broker down", "消息服务中断")}
_GRANTS = Text("{n} active grants", "有效授权 {n}")
_DIFFERENCES = Text("{n} open differences", "未关闭差异 {n}")
_DRIFT = Text("{n} ACLs repaired", "已修复 ACL 偏差 {n}")
_FLOW = Text(
    "out {out}/s   in {into}/s   behind {lag}   rejects {rejects}",
    "发布 {out} 条/秒   落地 {into} 条/秒   积压 {lag}   拒收 {rejects}",
)
