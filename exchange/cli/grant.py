"""``exchange grant``: what is granted, and ending it."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.cli import output, session
from exchange.text import Text

COLUMNS = {
    "id": Text("id", "编号"),
    "resource": Text("resource", "信息资源"),
    "client_id": Text("system", "业务系统"),
    "state": Text("state", "状态"),
    "until": Text("until", "截止"),
    "end_reason": Text("reason", "理由"),
}
DETAIL = {
    **COLUMNS,
    "request": Text("request", "申请"),
    "topic": Text("topic", "主题"),
    "created_at": Text("since", "授权时间"),
    "ended_at": Text("ended", "终止时间"),
    "enforced": Text("enforced at the broker", "消息服务已生效"),
}

Grant = Annotated[int, typer.Argument(metavar="GRANT", min=1, help=Text("the grant's id", "授权编号").format())]
AsJson = Annotated[bool, typer.Option("--json", help=Text("print JSON", "输出 JSON").format())]
Reason = Annotated[str, typer.Option("--reason", "-r", help=Text("why", "理由").format())]


def register(app: typer.Typer) -> None:
    """Add the group ``grant`` to ``app``."""
    group = typer.Typer(help=Text("What is granted, and ending it", "授权管理").format(), no_args_is_help=True)
    group.command("list", help=Text("List grants", "查看授权列表").format())(list_)
    group.command("show", help=Text("Show a grant", "查看授权").format())(show)
    group.command("suspend", help=Text("Let a grant rest", "暂停授权").format())(suspend)
    group.command("resume", help=Text("Make a grant active again", "恢复授权").format())(resume)
    group.command("revoke", help=Text("End a grant", "撤回授权").format())(revoke)
    app.add_typer(group, name="grant")


def list_(
    state: Annotated[str | None, typer.Option("--state", help=Text("only in this state", "按状态").format())] = None,
    resource: Annotated[str | None, typer.Option("--resource", help=Text("only of this", "按资源").format())] = None,
    json: AsJson = False,
) -> None:
    """List the grants that one's department gives or has."""
    from exchange.contract import slug  # noqa: PLC0415 - `exchange --help` stays quick

    with session.opened() as admin:
        output.emit(admin.grants(state=state, resource=slug(resource) if resource else None), COLUMNS, json)


def show(grant: Grant, json: AsJson = False) -> None:
    """Show one grant."""
    with session.opened() as admin:
        output.emit_one(admin.get(f"grants/{grant}"), DETAIL, json)


def suspend(grant: Grant, reason: Reason, json: AsJson = False) -> None:
    """Let a grant rest until it is resumed."""
    with session.opened() as admin:
        output.emit_one(admin.suspend(grant, reason), DETAIL, json)


def resume(grant: Grant, json: AsJson = False) -> None:
    """Make a suspended grant active again."""
    with session.opened() as admin:
        output.emit_one(admin.resume(grant), DETAIL, json)


def revoke(grant: Grant, reason: Reason, json: AsJson = False) -> None:
    """End a grant."""
    with session.opened() as admin:
        output.emit_one(admin.revoke(grant, reason), DETAIL, json)
