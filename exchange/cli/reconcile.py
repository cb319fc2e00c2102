"""``exchange reconcile``: compare tables on demand, and repair what differs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exchange.cli import output
from exchange.errors import ConfigError, ExchangeError
from exchange.text import Text

if TYPE_CHECKING:
    from adapters.reconcile_words import Report

TROUBLE = 2  # as diff(1): 0 equal, 1 differences, 2 or more: it could not be compared

FILES = Text(
    "one adapter file: its table with the topic; a source's and a sink's: their tables with each other",
    "一个适配器文件：其表与主题核对；数据源与目标两个文件：两表互相核对",
)
REPAIR = Text("publish or land again what differs", "重新发布或重新落地有差异的记录")
KEYS = Text("print the keys, which may be persons' numbers", "显示主键（可能为个人号码）")
LIMIT = Text("most differences to be listed", "最多列出多少条差异")
ALLOW_DELETES = Text("repair, however many rows that deletes", "修复时允许删除任意数量的记录")
JSON = Text("print JSON", "输出 JSON")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(help=Text("Compare tables now, and repair what differs", "立即对账，可修复差异").format())(reconcile)


def reconcile(
    files: Annotated[list[Path], typer.Argument(metavar="FILE [FILE]", help=FILES.format(), dir_okay=False)],
    repair: Annotated[bool, typer.Option("--repair", help=REPAIR.format())] = False,
    keys: Annotated[bool, typer.Option("--keys", help=KEYS.format())] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, max=100_000, help=LIMIT.format())] = 20,
    allow_deletes: Annotated[bool, typer.Option("--allow-deletes", help=ALLOW_DELETES.format())] = False,
    json: Annotated[bool, typer.Option("--json", help=JSON.format())] = False,
) -> None:
    """Compare; exit code 0: nothing differs (any more), 1: something does, 2 or more: it could not be compared."""
    try:
        report = _compared(files, repair=repair, allow_deletes=allow_deletes)
    except ExchangeError as error:
        output.fail(error)
        raise typer.Exit(max(error.exit_code, TROUBLE)) from error
    if json:
        _print_json(report, keys=keys, limit=limit)
    else:
        _print(report, keys=keys, limit=limit)
    raise typer.Exit(1 if report.open else 0)


def _compared(files: list[Path], *, repair: bool, allow_deletes: bool) -> Report:
    import logging  # noqa: PLC0415 - `exchange --help` stays quick

    from adapters.config import read_adapter  # noqa: PLC0415
    from adapters.reconcile import Options  # noqa: PLC0415
    from adapters.reconcile import reconcile as compare  # noqa: PLC0415

    logging.getLogger("httpx").setLevel(logging.WARNING)
    if len(files) > 2:  # noqa: PLR2004 - a source and a sink
        raise ConfigError(
            file=files[2], key="-", expected=FILES, found=len(files), example="exchange reconcile villages-out.toml"
        )
    configs = [read_adapter(file) for file in files]
    return compare(configs, Options(repair=repair, allow_deletes=allow_deletes))


def _print(report: Report, *, keys: bool, limit: int) -> None:
    output.facts([(text, value) for text, value in _facts(report) if value not in (0, None, "")])
    listed = _listed(report, keys=keys, limit=limit)
    if listed:
        names = [*(name for name in COLUMNS if name != "key"), *(["key"] if keys else [])]
        shown = [[WORDS.get(row[name], row[name]) for name in names] for row in listed]
        output.table([COLUMNS[name] for name in names], shown)
        if report.differences > len(listed):
            more = report.differences - len(listed)
            output.say(Text(f"and {more} more", f"另有 {more} 条"))
    output.say(evidence(report))


def _facts(report: Report) -> list[tuple[Text, Any]]:
    (reference, checked), waits = report.rows, report.positions and (report.waiting or None)
    return [
        (Text("resource", "信息资源"), report.resource),
        (Text("right by definition", "基准"), f"{report.reference}: {reference}"),
        (Text("checked", "核对对象"), f"{report.checked}: {checked}"),
        *[(WORDS[kind], count) for kind, count in _kinds(report).items()],
        (Text("differences beyond those looked at", "未逐条核对的差异"), report.more),
        (Text("on their way", "在途"), waits),
        (Text("changed meanwhile", "核对期间变化"), report.moved),
        (Text("held back: rejected rows", "因拒收暂不核对"), report.held),
        (Text("rejected rows without a readable key", "主键无法识别的拒收行"), report.unread),
        (Text("repaired", "已修复"), report.repaired),
        (Text("deletes withheld", "暂缓删除"), report.withheld),
        (Text("seconds", "用时（秒）"), report.seconds),
    ]


def _print_json(report: Report, *, keys: bool, limit: int) -> None:
    from json import dumps  # noqa: PLC0415

    said = evidence(report)
    shown = {
        "resource": report.resource,
        "reference": {"place": report.reference, "rows": report.rows[0]},
        "checked": {"place": report.checked, "rows": report.rows[1]},
        "equal": report.open == 0,
        "differences": report.differences,
        "kinds": _kinds(report),
        "owners": report.owners(),
        **{name: getattr(report, name) for name in COUNTS},
        "digest": report.digest,
        "positions": report.positions,
        "seconds": report.seconds,
        "findings": _listed(report, keys=keys, limit=limit),
        "evidence": said.en,
    }
    typer.echo(dumps(shown, ensure_ascii=False))


def _kinds(report: Report) -> dict[str, int]:
    from adapters.reconcile_words import Kind  # noqa: PLC0415

    return {kind.value: report.count(kind) for kind in Kind}


def _listed(report: Report, *, keys: bool, limit: int) -> list[dict[str, Any]]:
    """Without their keys, the place in the topic names records that both sides can look up."""
    return [
        {
            "kind": found.kind.value,
            "owner": found.owner.value,
            "place": found.place,
            "batch": found.batch or None,
            **({"key": found.key.decode(errors="backslashreplace")} if keys else {}),
        }
        for found in report.findings[:limit]
    ]


def evidence(report: Report) -> Text:
    """Return one line that says what was compared, and can be given to ``exchange difference close --evidence``."""
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    offsets = ", ".join(f"{partition}: {offset}" for partition, offset in sorted(report.positions.items()))
    up_to = Text(f" up to ({offsets})", f"（截至 {offsets}）") if offsets else Text("", "")
    sides = f"{report.checked} / {report.reference}"
    fixed = Text(f"; {report.repaired} repaired", f"；已修复 {report.repaired} 条") if report.repaired else Text("", "")
    if report.open:
        return Text(
            f"{at} exchange reconcile: {sides}: {report.open} of {report.differences} differ{fixed.en}",
            f"{at} exchange reconcile：{sides}：{report.differences} 条差异中 {report.open} 条未消除{fixed.zh}",
        )
    rows = report.rows[0]
    return Text(
        f"{at} exchange reconcile: {sides} equal{up_to.en}: {rows} rows, digest {report.digest}{fixed.en}",
        f"{at} exchange reconcile：{sides} 一致{up_to.zh}：{rows} 行，摘要 {report.digest}{fixed.zh}",
    )


COUNTS = ("more", "waiting", "moved", "held", "unread", "repaired", "withheld")
WORDS = {
    "missing": Text("missing", "缺失"),
    "extra": Text("extra", "多出"),
    "differing": Text("differing", "不一致"),
    "publisher": Text("publisher", "提供方"),
    "broker": Text("broker", "消息服务"),
    "subscriber": Text("subscriber", "使用方"),
    "unknown": Text("unknown", "待查"),
}
COLUMNS = {
    "kind": Text("kind", "类型"),
    "owner": Text("answered for by", "责任方"),
    "place": Text("partition-offset", "分区-位点"),
    "batch": Text("batch", "批次"),
    "key": Text("key", "主键"),
}
