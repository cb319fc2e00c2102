"""``exchange up``, ``down``, ``status`` and ``doctor``: the node on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli import output
from exchange.text import Text

CONFIG = Text(
    "the node's file (default: node.toml here, if there is one)", "节点配置文件（默认：当前目录的 node.toml）"
)
Config = Annotated[Path | None, typer.Option("--config", "-c", help=CONFIG.format(), dir_okay=False)]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(help=Text("Start the node: registry and broker", "启动交换节点：登记中心与消息服务").format())(up)
    app.command(help=Text("Stop the node", "停止交换节点").format())(down)
    app.command(help=Text("Show the node in one screen", "一屏显示节点状态").format())(status)
    app.command(help=Text("Check what the node needs, and name each fix", "检查运行条件，并给出修复办法").format())(
        doctor
    )


def up(config: Config = None) -> None:
    """Start the node and return when it answers."""
    from exchange.node import service  # noqa: PLC0415 - `exchange --help` stays quick
    from exchange.node.layout import Layout  # noqa: PLC0415
    from exchange.node.settings import load_node  # noqa: PLC0415

    address = service.up(load_node(config), report=output.say)
    output.facts(
        [
            (Text("registry", "登记中心"), address.registry_url),
            (Text("broker", "消息服务"), address.bootstrap_servers),
            (Text("data", "数据目录"), address.data_dir),
            (
                Text("passwords of the first accounts", "初始账号密码"),
                Layout.of(address.data_dir).registry / "*.password",
            ),
        ]
    )


def down(config: Config = None) -> None:
    """Stop the registry, then the broker."""
    from exchange.node import service  # noqa: PLC0415
    from exchange.node.settings import load_node  # noqa: PLC0415

    service.down(load_node(config), report=output.say)


def status(
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help=Text("print JSON", "输出 JSON").format())] = False,
) -> None:
    """Show the node in one screen; exit code 1 when a part died or the node is not ready."""
    from exchange.cli import node_status  # noqa: PLC0415
    from exchange.node.settings import load_node  # noqa: PLC0415

    raise typer.Exit(node_status.show(load_node(config), as_json=json))


def doctor(config: Config = None) -> None:
    """Print one row a check; exit code 1 when one fails."""
    from exchange.node.doctor import examine  # noqa: PLC0415
    from exchange.node.settings import load_node  # noqa: PLC0415

    checks = examine(load_node(config))
    columns = [Text("check", "检查"), Text("", ""), Text("found", "结果"), Text("fix", "修复办法")]
    output.table(columns, [(check.name, check.ok, check.found, check.fix) for check in checks])
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
