"""``exchange quality`` and ``exchange drift``: how good the data are, and whether the catalogue fits them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from exchange.cli import output, session
from exchange.text import Text

RULE = {
    "item": Text("item", "信息项"),
    "rule": Text("rule", "规则"),
    "action": Text("action", "处置"),
    "count": Text("findings", "命中次数"),
    "share": Text("of rows read", "占读取行数"),
}
OFFENDER = {"resource": Text("resource", "信息资源"), "department": Text("department", "部门")} | RULE
TOTAL = {
    "resource": OFFENDER["resource"],
    "since": Text("from", "起"),
    "until": Text("to", "止"),
    "read": Text("rows read", "读取行数"),
    "rejected": Text("rejected", "拒收"),
    "warned": Text("let through", "告警"),
    "quality": Text("quality", "数据质量"),
    "kept": Text("freshness kept", "更新及时率"),
}
DAY = {
    "day": Text("day", "日期"),
    "freshness": Text("at its end", "日终情况"),
    "published": Text("published", "发布"),
    **{name: TOTAL[name] for name in ("read", "rejected", "warned", "quality")},
}
DRIFT = {
    "resource": OFFENDER["resource"],
    "name": Text("name", "名称"),
    "department": OFFENDER["department"],
    "client_id": Text("system", "业务系统"),
    "since": Text("since", "起始时间"),
    "grant": Text("grant", "授权"),
    "columns": Text("columns", "列"),
}


class Kind(StrEnum):
    """What does not fit."""

    ZOMBIE = "zombie"
    UNDECLARED = "undeclared"
    UNUSED = "unused"


Days = Annotated[int, typer.Option("--days", min=1, max=400, help=Text("days up to today", "最近天数").format())]
AsJson = Annotated[bool, typer.Option("--json", help=Text("print JSON", "输出 JSON").format())]


def register(app: typer.Typer) -> None:
    """Add the groups ``quality`` and ``drift`` to ``app``."""
    group = typer.Typer(help=Text("Quality and freshness of data", "数据质量与时效").format(), no_args_is_help=True)
    group.command("show", help=Text("Show a resource per rule and per day", "查看信息资源质量").format())(show)
    group.command("worst", help=Text("List the rules that are broken most", "查看问题最多的规则").format())(worst)
    app.add_typer(group, name="quality")
    told = Text("Where catalogue and data do not fit", "目录与数据偏差").format()
    drift = typer.Typer(help=told, no_args_is_help=True)
    drift.command("list", help=told)(list_)
    app.add_typer(drift, name="drift")


def show(
    resource: Annotated[str, typer.Argument(metavar="CODE", help=Text("the resource's code", "资源代码").format())],
    days: Days = 30,
    json: AsJson = False,
) -> None:
    """Show a resource's quality and freshness: as a whole, per rule, per day."""
    with session.opened() as admin:
        found = admin.quality(resource, days)
    if json:
        output.emit_one(found, {}, as_json=True)
        return
    output.emit_one(_shares(found), TOTAL, as_json=False)
    output.emit([_shares(each) for each in found["rules"]], RULE, as_json=False)
    output.emit([_shares(each) for each in found["days"]], DAY, as_json=False)


def worst(days: Days = 30, json: AsJson = False) -> None:
    """List the rules that are broken most, in one's own resources or those that one administers."""
    with session.opened() as admin:
        rows = admin.offenders(days)
    output.emit(rows if json else [_shares(each) for each in rows], OFFENDER, json)


def list_(
    kind: Annotated[
        Kind,
        typer.Argument(help=Text("no data, columns not listed, grants not used", "无数据、未列列、未使用").format()),
    ],
    json: AsJson = False,
) -> None:
    """List entries without data, columns that the catalogue lacks, or grants that nobody uses."""
    with session.opened() as admin:
        rows = admin.drift(kind.value)
        output.emit(
            rows if json else ({**row, "columns": ", ".join(row["columns"] or ())} for row in rows), DRIFT, json
        )


def _shares(found: dict[str, Any]) -> dict[str, Any]:
    shares = {name: f"{found[name]:.2%}" for name in ("share", "quality", "kept") if found.get(name) is not None}
    return {**found, **shares}
