"""The one screen of ``exchange status``: parts, readiness, enforcement, grants, adapters, differences, disk, to do."""

from __future__ import annotations

import json as jsons
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import httpx
import typer

from exchange.cli import output
from exchange.node import service
from exchange.node.outlook import Outlook, outlook_of
from exchange.node.registry import ask
from exchange.node.service import PartStatus
from exchange.node.settings import NodeSettings
from exchange.text import Text

STATES = {
    "running": Text("running", "运行中"),
    "stopped": Text("stopped", "已停止"),
    "died": Text("died", "意外退出"),
}
GIB = 1024**3
MANY_DAYS_S = 2 * 86_400.0


def show(settings: NodeSettings, *, as_json: bool) -> int:
    """Print the screen; return the exit code."""
    parts = service.status(settings)
    ready = _body(ask(settings.registry_url, "/readyz"))
    scraped = ask(settings.registry_url, "/metrics")
    outlook = outlook_of(scraped.text) if scraped is not None and scraped.is_success else None
    if as_json:
        _print_json(parts, ready, outlook)
    else:
        _print(parts, ready, outlook)
    return 1 if any(part.detail for part in parts) or (ready is not None and ready.get("status") != "ok") else 0


def _print(parts: list[PartStatus], ready: Mapping[str, Any] | None, outlook: Outlook | None) -> None:
    columns = [Text("part", "组成"), Text("state", "状态"), Text("pid", "进程"), Text("address", "地址")]
    output.table(columns, [(part.name, STATES[part.state], part.pid, part.address) for part in parts])
    for part in parts:
        if part.state == "died":
            output.say(Text(f"{part.name.en}:\n{part.detail}", f"{part.name.zh}：\n{part.detail}"))
    if ready is not None:
        reasons: Mapping[str, str] = ready.get("reasons", {})
        names = [name for name in _READY if name in ready]
        output.table(
            [Text("ready", "就绪"), Text("", ""), Text("reason", "原因")],
            [(_READY[name], ready[name] == "ok", reasons.get(name, "")) for name in names],
        )
    if outlook is None:
        return
    output.facts(_facts(outlook))
    found = outlook.findings()
    output.say(_SEE_TO if found else _NOTHING)
    for each in found:
        page = f"docs/runbooks/{each.runbook}.md"
        output.say(Text(f"  {each.what.en}  → {page}", f"  {each.what.zh}  → {page}"))


def _facts(outlook: Outlook) -> list[tuple[Text, object]]:
    rows: list[tuple[Text, object]] = [
        (Text("compared", "上次比对"), _ago(outlook.compared_ago_s)),
        (Text("ACLs repaired since the start", "启动以来修复的 ACL"), outlook.acl_drift),
        (Text("grants", "授权"), _counts(outlook.grants)),
        (Text("requests", "申请"), _counts(outlook.requests)),
        (Text("adapters", "适配器"), _counts(outlook.adapters)),
        (Text("open differences", "未关闭差异"), _counts(outlook.differences)),
        (Text("matched", "上次对账"), _ago(outlook.matched_ago_s)),
        (Text("audit entries", "审计条目"), outlook.audit_entries),
    ]
    if outlook.disk_free is not None and outlook.disk_size:
        free, size = outlook.disk_free, outlook.disk_size
        words = f"{free / GIB:.1f} / {size / GIB:.1f} GiB ({free / size:.0%})"
        rows.append((Text("disk free", "磁盘剩余"), words))
    return rows


def _print_json(parts: list[PartStatus], ready: Mapping[str, Any] | None, outlook: Outlook | None) -> None:
    told = {
        "parts": [
            {"part": part.name.en, "state": part.state, "pid": part.pid, "address": part.address, "detail": part.detail}
            for part in parts
        ],
        "ready": ready,
        "outlook": asdict(outlook) if outlook else None,
        "see_to": [{"what": each.what.en, "runbook": each.runbook} for each in outlook.findings()] if outlook else [],
    }
    typer.echo(jsons.dumps(told, ensure_ascii=False))


def _body(response: httpx.Response | None) -> Mapping[str, Any] | None:
    """Return a readiness, good or bad; None for what is none: another program may listen there."""
    if response is None:
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) and "status" in body else None


def _counts(counts: Mapping[str, int]) -> str:
    return "  ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "0"


def _ago(seconds: float | None) -> Text:
    if seconds is None:
        return Text("not yet", "尚未")
    if seconds > MANY_DAYS_S:
        return Text(f"{seconds / 86_400:.0f} days ago", f"{seconds / 86_400:.0f} 天前")
    return Text(f"{seconds:.0f} s ago", f"{seconds:.0f} 秒前")


_READY = {
    "database": Text("database", "数据库"),
    "migrations": Text("migrations", "数据库迁移"),
    "broker": Text("broker", "消息服务"),
    "enforcement": Text("enforcement", "授权执行"),
}
_NOTHING = Text("Nothing to see to.", "暂无待处理事项。")
_SEE_TO = Text("To see to:", "待处理：")
