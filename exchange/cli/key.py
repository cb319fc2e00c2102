"""``exchange key``: the key that signs tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.cli import output, session
from exchange.text import Text

KID = {"kid": Text("new key", "新密钥")}


def register(app: typer.Typer) -> None:
    """Add the group ``key`` to ``app``."""
    group = typer.Typer(help=Text("The key that signs tokens", "令牌签名密钥").format(), no_args_is_help=True)
    group.command("rotate", help=Text("Make a new one", "轮换密钥").format())(rotate)
    app.add_typer(group, name="key")


def rotate(
    json: Annotated[bool, typer.Option("--json", help=Text("print JSON", "输出 JSON").format())] = False,
) -> None:
    """Make a new key: published at once, used after a short delay; the old one stays until its tokens end."""
    with session.opened() as admin:
        output.emit_one({"kid": admin.rotate_keys()}, KID, json)
