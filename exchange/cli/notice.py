"""``exchange notice``: what one's department was told."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.cli import output, session
from exchange.text import Text

KIND = Text("only of this kind, like grant.revoked", "按类型，如 grant.revoked")
COLUMNS = {
    "id": Text("id", "编号"),
    "kind": Text("kind", "类型"),
    "subject": Text("about", "对象"),
    "client_id": Text("system", "业务系统"),
    "created_at": Text("at", "时间"),
    "delivered_at": Text("delivered", "送达时间"),
}


def register(app: typer.Typer) -> None:
    """Add the group ``notice`` to ``app``."""
    group = typer.Typer(help=Text("What one was told", "通知").format(), no_args_is_help=True)
    group.command("list", help=Text("List notices", "查看通知").format())(list_)
    app.add_typer(group, name="notice")


def list_(
    kind: Annotated[str | None, typer.Option("--kind", help=KIND.format())] = None,
    json: Annotated[bool, typer.Option("--json", help=Text("print JSON", "输出 JSON").format())] = False,
) -> None:
    """List what one's department was told, oldest first."""
    with session.opened() as admin:
        output.emit(admin.notices(kind=kind), COLUMNS, json)
