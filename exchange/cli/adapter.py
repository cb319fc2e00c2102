"""``exchange adapter``: run or check one adapter file; making and operating them are in the files beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exchange.cli import adapter_new, adapter_state, output
from exchange.text import Text

if TYPE_CHECKING:
    from adapters.summary import Summary

FILE = Text("the adapter's TOML file", "适配器配置文件（TOML）")
ONCE = Text("one pass, or what is there now; then end", "只运行一遍后结束")
UNTIL_IDLE = Text("end after so many seconds without anything new", "无新数据达到该秒数后结束")
JSON = Text("print JSON", "输出 JSON")
SHOW = Text("show personal values of the five rows too", "同时显示个人信息")
ALLOW_DELETES = Text("delete however many rows are gone from the source", "允许本次删除任意数量的记录")

File = Annotated[Path, typer.Argument(metavar="FILE", help=FILE.format(), dir_okay=False)]
Json = Annotated[bool, typer.Option("--json", help=JSON.format())]


def register(app: typer.Typer) -> None:
    """Add the group ``adapter`` to ``app``."""
    group = typer.Typer(
        help=Text("Make, check, run and watch adapters", "新建、检查、运行、查看适配器").format(), no_args_is_help=True
    )
    group.command(help=Text("Move records until stopped", "持续交换，直至停止").format())(run)
    group.command(help=Text("Check each part, move nothing", "逐项检查，不交换数据").format())(check)
    adapter_new.register(group)
    adapter_state.register(group)
    app.add_typer(group, name="adapter")


def run(
    file: File,
    once: Annotated[bool, typer.Option("--once", help=ONCE.format())] = False,
    until_idle: Annotated[float | None, typer.Option("--until-idle", min=0.1, help=UNTIL_IDLE.format())] = None,
    json: Json = False,
    allow_deletes: Annotated[bool, typer.Option("--allow-deletes", help=ALLOW_DELETES.format())] = False,
) -> None:
    """Run one adapter; SIGTERM and Ctrl-C end it after the batch in hand, with exit code 0."""
    from adapters.announcer import Announcer  # noqa: PLC0415 - `exchange --help` stays quick
    from adapters.config import read_adapter  # noqa: PLC0415
    from adapters.engine import Run, RunOptions, stopped_by_signals  # noqa: PLC0415
    from adapters.launch import run_adapter, tune_process  # noqa: PLC0415
    from exchange.cli.adapter_live import shown  # noqa: PLC0415
    from exchange.metric_names import OF_ADAPTER  # noqa: PLC0415
    from exchange.otlp import start_tracing  # noqa: PLC0415
    from exchange.prometheus import PrometheusMetrics  # noqa: PLC0415
    from exchange.tracing import TRACING  # noqa: PLC0415

    config = read_adapter(file)
    tune_process()
    start_tracing(config.settings.tracing, "adapter")
    metrics = PrometheusMetrics(OF_ADAPTER)
    metrics.serve(config.settings.metrics)
    options = RunOptions(once=once, until_idle_s=until_idle, allow_deletes=allow_deletes)
    work = Run(config, options, metrics)
    try:
        with shown(work, plain=json), stopped_by_signals(work.stop), Announcer(work, metrics):
            run_adapter(work)
    finally:
        TRACING.close()
        _print_summary(work.summary, as_json=json)


def check(
    file: File, json: Json = False, show: Annotated[bool, typer.Option("--show", help=SHOW.format())] = False
) -> None:
    """Ask registry, broker and source or destination; the exit code is that of the first part that fails."""
    import logging  # noqa: PLC0415

    from adapters.check import Check  # noqa: PLC0415
    from adapters.config import read_adapter  # noqa: PLC0415

    logging.getLogger("exchange.kafka").setLevel(logging.CRITICAL)  # what it says comes as a line of the table
    asking = Check(read_adapter(file), show=show)
    found = list(asking.run())
    if json:
        _print_json(
            {
                "parts": [{"part": c.part.en, "ok": c.ok, "said": c.said, "fix": c.fix} for c in found],
                "columns": asking.columns,
                "rows": asking.rows,
            }
        )
    else:
        output.table(
            [Text("part", "项目"), Text("state", "状态"), Text("found", "结果"), Text("fix", "处理办法")],
            [(c.part, c.ok, c.said, c.fix) for c in found],
        )
        if asking.rows:
            output.table([Text(name, name) for name in asking.columns], asking.rows)
    raise typer.Exit(next((c.exit_code for c in found if not c.ok), 0))


def _print_summary(summary: Summary, *, as_json: bool) -> None:
    from dataclasses import asdict  # noqa: PLC0415

    if as_json:
        _print_json(asdict(summary))
        return
    names = _SOURCE if summary.side == "source" else _SINK
    values = asdict(summary)
    for name in ("rules", "quality"):
        values[name] = ", ".join(f"{rule} {count}" for rule, count in values[name].items()) or None
    output.facts([(text, values[name]) for name, text in names.items()])


def _print_json(value: object) -> None:
    from json import dumps  # noqa: PLC0415

    typer.echo(dumps(value, ensure_ascii=False))


_COMMON = {
    "deleted": Text("deleted", "删除"),
    "rejected": Text("rejected", "拒收"),
    "rules": Text("rejected by rule", "拒收原因"),
    "quality": Text("quality findings", "质量问题"),
    "waits": Text("waits", "等待次数"),
    "seconds": Text("seconds", "用时（秒）"),
    "rejects_file": Text("rejected records in", "拒收记录文件"),
}
_SOURCE = {
    "adapter": Text("adapter", "适配器"),
    "resource": Text("resource", "信息资源"),
    "published": Text("published", "发布"),
    "unchanged": Text("unchanged", "未变化"),
    "withheld": Text("deletes withheld", "暂缓删除"),
    **_COMMON,
}
_SINK = {
    "adapter": Text("adapter", "适配器"),
    "resource": Text("resource", "信息资源"),
    "landed": Text("landed", "落地"),
    **_COMMON,
}
