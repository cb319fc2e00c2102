"""``exchange difference``: what reconciliation found between publishers and subscribers."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.cli import output, session
from exchange.text import Text

EVIDENCE = Text("what was done, and how it is known", "处理情况与依据")
COLUMNS = {
    "id": Text("id", "编号"),
    "resource": Text("resource", "信息资源"),
    "client_id": Text("subscriber", "使用方"),
    "kind": Text("kind", "类型"),
    "owner": Text("answered for by", "责任方"),
    "opened_at": Text("since", "发现时间"),
    "closed_at": Text("closed", "办结时间"),
}
TOTALS = {
    "resource": COLUMNS["resource"],
    "client_id": COLUMNS["client_id"],
    "published": Text("published", "已发布"),
    "landed": Text("landed", "已落地"),
    "in_flight": Text("in flight", "在途"),
    "cut_off": Text("cut off with the grant", "随授权终止"),
    "lost": Text("lost", "丢失"),
    "duplicated": Text("duplicated", "重复"),
    "differing": Text("differing", "不一致"),
    "unmatched": Text("unmatched", "无发布回执"),
}
DETAIL = {
    **COLUMNS,
    "batch": Text("batch", "批次"),
    "reason": Text("reason", "原因"),
    "evidence": Text("evidence", "依据"),
}

Difference = Annotated[int, typer.Argument(metavar="DIFFERENCE", min=1, help=Text("its id", "差异编号").format())]
AsJson = Annotated[bool, typer.Option("--json", help=Text("print JSON", "输出 JSON").format())]


def register(app: typer.Typer) -> None:
    """Add the group ``difference`` to ``app``."""
    group = typer.Typer(help=Text("What reconciliation found", "对账差异").format(), no_args_is_help=True)
    group.command("list", help=Text("List differences", "查看差异列表").format())(list_)
    group.command("show", help=Text("Show a difference", "查看差异").format())(show)
    group.command("totals", help=Text("Count published and landed records", "统计发布与落地记录").format())(totals)
    group.command("close", help=Text("Close one, with evidence", "附依据办结").format())(close)
    app.add_typer(group, name="difference")


def list_(
    every: Annotated[bool, typer.Option("--all", help=Text("closed ones too", "包括已办结").format())] = False,
    json: AsJson = False,
) -> None:
    """List the open differences of one's resources and grants."""
    with session.opened() as admin:
        output.emit(admin.differences_found(open_only=not every), COLUMNS, json)


def show(difference: Difference, json: AsJson = False) -> None:
    """Show one difference."""
    with session.opened() as admin:
        output.emit_one(admin.get(f"differences/{difference}"), DETAIL, json)


def totals(
    resource: Annotated[str, typer.Argument(metavar="CODE", help=Text("the resource's code", "资源代码").format())],
    system: Annotated[str, typer.Option("--system", help=Text("the subscriber", "使用方系统").format())],
    json: AsJson = False,
) -> None:
    """Count what was published of a resource, and what of it a subscriber's newest landing holds."""
    with session.opened() as admin:
        output.emit_one(admin.reconciliation(resource, system), TOTALS, json)


def close(
    difference: Difference,
    evidence: Annotated[str, typer.Option("--evidence", help=EVIDENCE.format())],
    json: AsJson = False,
) -> None:
    """Close a difference that one's side answers for."""
    with session.opened() as admin:
        output.emit_one(admin.close_difference(difference, evidence), DETAIL, json)
