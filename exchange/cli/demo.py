"""``exchange demo``: the main job on real input, with progress bars, a table, and ``build/demo.json``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exchange.cli import output
from exchange.text import Text

if TYPE_CHECKING:
    from exchange.demo.story import Outcome

BUILD = Path("build")
DIRECTORY = Text("where build/demo and build/demo.json go", "build/demo 与 build/demo.json 所在目录")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(help=Text("Run the main job on real input", "以真实数据演示主流程").format())(demo)


def demo(build: Annotated[Path, typer.Option(help=DIRECTORY.format(), file_okay=False)] = BUILD) -> None:
    """Tell the story; exit code 1 when anything was lost, doubled, different or leaked."""
    from exchange.demo.screen import Screen  # noqa: PLC0415 - `exchange --help` stays quick
    from exchange.demo.stage import play, write_outcome  # noqa: PLC0415

    figures = build / "demo.json"
    figures.unlink(missing_ok=True)
    outcome = play((build / "demo").absolute(), Screen(output.say))
    write_outcome(outcome, figures)
    output.table([Text("measured", "指标"), Text("value", "数值")], _rows(outcome))
    output.say(Text(f"Figures: {figures}", f"结果文件：{figures}"))
    if not outcome.ok:
        output.say(Text("The demo failed: see the table.", "演示未通过：见上表。"))
        raise typer.Exit(1)


def _rows(outcome: Outcome) -> list[tuple[Text, object]]:
    return [
        (Text("published", "发布"), outcome.published),
        (Text("landed", "落库"), outcome.landed),
        (Text("lost", "丢失"), outcome.lost),
        (Text("duplicated", "重复"), outcome.duplicated),
        (Text("differing", "不一致"), outcome.differing),
        (Text("refused before the grant, by the broker", "授权前被消息服务拒绝"), outcome.refused_before_grant),
        (Text("county refused with a reason", "县级申请被拒绝并说明理由"), outcome.county_refused),
        (Text("grant to first record, ms", "授权至首条记录，毫秒"), outcome.grant_to_first_record_ms),
        (Text("grant to all rows landed, s", "授权至全部落库，秒"), outcome.first_landing_s),
        (Text("revoked: last record after the answer, ms", "撤回答复后最后一条记录，毫秒"), outcome.revoke_ms),
        (Text("published after the revocation", "撤回后发布"), outcome.published_after_revocation),
        (Text("of these arrived", "其中到达"), outcome.arrived_after_revocation),
        (Text("seconds", "用时，秒"), outcome.seconds),
    ]
