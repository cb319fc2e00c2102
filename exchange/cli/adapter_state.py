"""``exchange adapter status | history | pause | resume | refresh``: what operators ask of adapters, and tell them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exchange.cli import output
from exchange.errors import ConfigError, ExchangeError
from exchange.text import Text

if TYPE_CHECKING:
    from adapters.config import Known

HEARD_S = 5.0  # a running adapter says each second that it is there

JSON = Text("print JSON", "输出 JSON")
WHICH = Text("the adapter's file, or its name if the file is in this folder", "适配器配置文件，或本目录中适配器的名称")
PLACES = Text("adapter files, or folders of them", "适配器配置文件或其所在目录")
LAST = Text("how many runs, newest first", "显示最近多少次运行")

Json = Annotated[bool, typer.Option("--json", help=JSON.format())]
Which = Annotated[str, typer.Argument(metavar="FILE|NAME", help=WHICH.format())]
Places = Annotated[list[Path] | None, typer.Argument(metavar="[FILE|FOLDER]...", help=PLACES.format())]


def register(group: typer.Typer) -> None:
    """Add the commands to the group ``adapter``."""
    for command, text in (
        (status, Text("What each adapter does now", "查看各适配器的当前状态")),
        (history, Text("The last runs of an adapter", "查看适配器的运行历史")),
        (pause, Text("Move nothing until resumed; also over a restart", "暂停交换，重启后仍保持暂停")),
        (resume, Text("Go on after a pause", "恢复交换")),
        (refresh, Text("Read the whole source again", "全量重读数据源")),
    ):
        group.command(help=text.format())(command)


def status(places: Places = None, json: Json = False) -> None:
    """Print one line an adapter: its state, since when, the last pass, how far behind, and what it waits for."""
    from adapters.config import read_known  # noqa: PLC0415 - `exchange --help` stays quick

    rows: list[dict[str, Any]] = []
    for path in _files(places or [Path()]):
        try:
            rows.append(_state(read_known(path)))
        except ConfigError as exc:
            if path in (places or ()):
                raise
            rows.append({"adapter": path.stem, "file": str(path), "state": "unreadable", "about": exc.message()})
    if not json:
        for row in rows:
            times = {name: _local(row[name]) for name in ("since", "last_pass") if row.get(name)}
            row |= {"state": STATES.get(row["state"], row["state"]), **times}
    output.emit(rows, COLUMNS, json)


def history(
    which: Which, last: Annotated[int, typer.Option("--last", min=1, help=LAST.format())] = 20, json: Json = False
) -> None:
    """Print the last runs: start, end, counts, rejects by rule, and why each ended."""
    rows = _known(which).state.history(last)
    if not json:
        rows = [{**row, **_readable(row)} for row in rows]
    output.emit(rows, ENTRIES, json)


def pause(which: Which) -> None:
    """Have the adapter stop after the batch in hand and let go of source and broker."""
    known = _known(which)
    with _written(known):
        new = known.state.pause()
    output.say(_formatted(PAUSED if new else WAS_PAUSED, known.name))


def resume(which: Which) -> None:
    """Have a paused adapter go on."""
    known = _known(which)
    with _written(known):
        was = known.state.resume()
    output.say(_formatted(RESUMED if was else NOT_PAUSED, known.name))


def refresh(which: Which) -> None:
    """Have the adapter read its whole source again, now or at its next start."""
    from adapters import kinds  # noqa: PLC0415

    known = _known(which)
    if known.side != "source":
        raise NothingToRefresh(name=known.name)
    if not kinds.find(known.side, known.kind, str(known.file)).spec.rereads:
        raise NotReadTwice(name=known.name, kind=known.kind)
    with _written(known):
        known.state.ask_refresh()
    output.say(_formatted(REFRESH, known.name))


class NothingToRefresh(ExchangeError):
    """A sink was asked to refresh."""

    code = "nothing_to_refresh"
    exit_code = 2
    text = Text("{name} is a sink: it has no source to read again", "{name} 是落地适配器，没有可重读的数据源")
    hint = Text(
        "A destination that starts from nothing gets everything again: empty the table and the bus's position tables.",
        "目标为空时会重新落地全部数据：请清空目标表与位点表。",
    )


class NotReadTwice(ExchangeError):
    """A source that keeps nothing was asked to refresh."""

    code = "not_read_twice"
    exit_code = 2
    text = Text(
        "{name} has a source of kind {kind}, which keeps nothing that could be read again",
        "{name} 的数据源类型为 {kind}，不保留已送数据，无法重读",
    )
    hint = Text("Have the other system send everything again.", "请由对方系统重新发送全部数据。")


class StateFolderProblem(ExchangeError):
    """The folder of an adapter's state cannot be written."""

    code = "state_folder"
    exit_code = 2
    text = Text("The state folder of {name} cannot be written: {reason}", "无法写入 {name} 的状态目录：{reason}")
    hint = Text(
        "Run the command as the adapter's user, or set adapter.state_dir.",
        "请以适配器的用户运行，或设置 adapter.state_dir。",
    )


@contextmanager
def _written(known: Known) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StateFolderProblem(name=known.name, reason=exc.strerror or type(exc).__name__) from exc


def _files(places: list[Path]) -> Iterator[Path]:
    for place in places:
        if not place.is_dir():
            yield place
            continue
        for path in sorted(place.glob("*.toml")):
            with suppress(OSError, UnicodeDecodeError):
                if "[adapter]" in path.read_text(encoding="utf-8"):
                    yield path


def _known(which: str) -> Known:
    from adapters.config import read_known  # noqa: PLC0415

    if Path(which).is_file():
        return read_known(Path(which))
    names: list[str] = []
    for path in _files([Path()]):
        with suppress(ConfigError):
            known = read_known(path)
            names.append(known.name)
            if known.name == which:
                return known
    raise ConfigError(
        file=which,
        key="-",
        expected=WHICH,
        found=Text(f"neither; here are: {', '.join(names) or '-'}", f"均不是；本目录有：{'、'.join(names) or '-'}"),
        example="exchange adapter pause villages-out.toml",
    )


def _state(known: Known) -> dict[str, Any]:
    said = known.state.status() or {}
    row: dict[str, Any] = {
        "adapter": known.name,
        "file": str(known.file),
        "resource": known.resource,
        "side": known.side,
        "state": _now(known, said),
        "pause": known.state.paused,
        "refresh": known.state.refresh_asked() is not None,
        "since": said.get("started"),
        "moved": said.get("published", 0) + said.get("landed", 0) + said.get("deleted", 0),
        "rejected": said.get("rejected", 0),
        "last_pass": (said.get("last_pass") or {}).get("end"),
        "lag_s": _lag(said),
        "behind": said.get("behind"),
        "due": said.get("due"),
        "waiting_for": said.get("waiting_for"),
        "error": said.get("error"),
    }
    row["lag"] = _lag_said(row)
    row["about"] = _about(row)
    return row


def _now(known: Known, said: dict[str, Any]) -> str:
    if not said:
        return "paused" if known.state.paused else "never"
    if said["state"] == "ended":
        if said.get("error"):
            return "failed"
        return "paused" if known.state.paused else "ended"
    age = (datetime.now(UTC) - datetime.fromisoformat(said["at"])).total_seconds()
    return str(said["state"]) if abs(age) <= HEARD_S else "gone"


def _lag(said: dict[str, Any]) -> float | None:
    """A source is as old as the begin of its last finished pass."""
    start = (said.get("last_pass") or {}).get("start")
    if said.get("side") != "source" or start is None:
        return None
    return round((datetime.now(UTC) - datetime.fromisoformat(start)).total_seconds(), 1)


def _lag_said(row: dict[str, Any]) -> str | None:
    if row["behind"] is not None:
        return Text(f"{row['behind']} records", f"{row['behind']} 条").format()
    return None if row["lag_s"] is None else f"{row['lag_s']:.0f} s"


def _about(row: dict[str, Any]) -> str | None:
    error = row["waiting_for"] or row["error"]
    if error:
        return Text(error["en"], error["zh"]).template()
    if row["due"]:
        return Text(f"next at {_local(row['due'])}", f"下次运行 {_local(row['due'])}").template()
    return Text("will refresh", "待全量重读").format() if row["refresh"] else None


def _local(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    rules = [f"{rule} {count}" for rule, count in (row.get("rules") or {}).items()]
    found = [f"{name} {count}" for name, count in (row.get("quality") or {}).items()]
    return {
        "start": _local(row["start"]),
        "end": _local(row["end"]),
        "moved": row.get("published", 0) + row.get("landed", 0),
        "rules": ", ".join(dict.fromkeys([*rules, *found])),
        "reason": REASONS.get(row["reason"], row["reason"]),
    }


def _formatted(text: Text, name: str) -> Text:
    return Text(text.format("en", name=name), text.format("zh", name=name))


PAUSED = Text("{name} is paused; `exchange adapter resume` ends it", "{name} 已暂停；用 `exchange adapter resume` 恢复")
WAS_PAUSED = Text("{name} was paused already", "{name} 此前已暂停")
RESUMED = Text("{name} goes on", "{name} 已恢复")
NOT_PAUSED = Text("{name} was not paused", "{name} 并未暂停")
REFRESH = Text("{name} will read its whole source again", "{name} 将全量重读数据源")

STATES = {
    "running": Text("running", "运行中"),
    "waiting": Text("waiting", "等待中"),
    "scheduled": Text("scheduled", "待运行"),
    "pausing": Text("pausing", "正在暂停"),
    "paused": Text("paused", "已暂停"),
    "ended": Text("ended", "已结束"),
    "failed": Text("failed", "失败"),
    "gone": Text("not heard of: killed?", "无响应，可能已被终止"),
    "never": Text("never ran", "未运行过"),
    "unreadable": Text("file unreadable", "配置有误"),
}
REASONS = {
    "done": Text("done", "完成"),
    "stopped": Text("stopped", "停止"),
    "paused": Text("paused", "暂停"),
    "goes_on": Text("goes on", "持续运行"),
    "crashed": Text("crashed", "崩溃"),
    "repaired": Text("repaired by reconcile", "对账修复"),
}
COLUMNS = {
    "adapter": Text("adapter", "适配器"),
    "state": Text("state", "状态"),
    "since": Text("since", "启动时间"),
    "last_pass": Text("last pass", "最近完成"),
    "moved": Text("moved", "交换"),
    "rejected": Text("rejected", "拒收"),
    "lag": Text("lag", "滞后"),
    "about": Text("about", "说明"),
}
ENTRIES = {
    "start": Text("start", "开始"),
    "end": Text("end", "结束"),
    "reason": Text("end because", "结束原因"),
    "moved": Text("moved", "交换"),
    "deleted": Text("deleted", "删除"),
    "unchanged": Text("unchanged", "未变化"),
    "rejected": Text("rejected", "拒收"),
    "rules": Text("findings", "问题"),
}
