"""``exchange top``: the running adapters, live."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from exchange.cli import session
from exchange.errors import ExchangeError
from exchange.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from exchange.admin import AdminClient
    from exchange.cli.top_frame import Snapshot

ONCE = Text("one frame, then end", "只显示一帧后结束")
JSON = Text("one frame as JSON", "以 JSON 输出一帧")
EVERY = Text("seconds between two frames", "刷新间隔（秒）")
RESOURCE = Text("only this resource", "仅限该资源")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(help=Text("Watch the running adapters", "实时查看运行中的适配器").format())(top)


def top(
    once: Annotated[bool, typer.Option("--once", help=ONCE.format())] = False,
    every: Annotated[float, typer.Option("--every", min=0.5, max=3600, help=EVERY.format())] = 2.0,
    resource: Annotated[str | None, typer.Option("--resource", help=RESOURCE.format())] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON.format())] = False,
) -> None:
    """Show streams, rates, lag, rejects and states, trouble first; Ctrl-C ends it."""
    from rich.console import Console  # noqa: PLC0415 - `exchange --help` stays quick

    from exchange.cli.top_frame import WIDE, frame  # noqa: PLC0415
    from exchange.contract import slug  # noqa: PLC0415

    wanted = slug(resource) if resource else None
    with session.opened() as admin:
        node = admin.get("node")
        name = f"{node['name']} {node['division']}"
        if json:
            _print_json(_asked(admin, name, wanted))
        elif not (console := Console()).is_terminal:
            Console(width=WIDE).print(frame(_asked(admin, name, wanted)), highlight=False)
        elif once:
            console.print(frame(_asked(admin, name, wanted), console.width), highlight=False)
        else:
            _live(console, admin, name, wanted, every)


def _live(console: Console, admin: AdminClient, name: str, resource: str | None, every: float) -> None:
    import signal  # noqa: PLC0415

    from rich.live import Live  # noqa: PLC0415

    from exchange.cli.top_frame import frame  # noqa: PLC0415

    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's "&" ignores the first; both give the screen back
        signal.signal(number, signal.default_int_handler)
    last = _asked(admin, name, resource)
    try:
        with Live(frame(last, console.width, console.height), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                last = _again(admin, last, resource)
                live.update(frame(last, console.width, console.height), refresh=True)
    except KeyboardInterrupt:
        return


def _asked(admin: AdminClient, name: str, resource: str | None) -> Snapshot:
    from exchange.cli.top_frame import Snapshot  # noqa: PLC0415
    from exchange.node.outlook import outlook_of  # noqa: PLC0415

    adapters = [each for each in admin.every("adapters") if resource in (None, each["resource"])]
    outlook = outlook_of(admin.metrics())
    facts = {
        "broker_up": float(outlook.broker_up is not False),
        "grants_active": float(outlook.grants.get("active", 0)),
        "differences_open": float(sum(outlook.differences.values())),
        "acl_drift": float(outlook.acl_drift),
    }
    return Snapshot(name, admin.url, datetime.now(UTC), adapters, facts)


def _again(admin: AdminClient, last: Snapshot, resource: str | None) -> Snapshot:
    """Return a newer snapshot, or the last one with what is in the way: a registry that restarts ends no watch."""
    from dataclasses import replace  # noqa: PLC0415

    try:
        return _asked(admin, last.node, resource)
    except ExchangeError as exc:
        return replace(last, problem=exc.message())


def _print_json(snapshot: Snapshot) -> None:
    from json import dumps  # noqa: PLC0415

    from exchange.cli.top_frame import ordered, totals  # noqa: PLC0415

    told = {
        "node": snapshot.node,
        "at": snapshot.at.isoformat(timespec="seconds"),
        **snapshot.facts,
        "totals": totals(snapshot.adapters),
        "adapters": ordered(snapshot.adapters),
    }
    typer.echo(dumps(told, ensure_ascii=False))
