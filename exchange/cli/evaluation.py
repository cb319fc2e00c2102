"""``exchange evaluation``: the departments' scoreboard, what is behind a figure, and appeals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.cli import output, session
from exchange.errors import ConfigError
from exchange.text import Text

COLUMNS = {
    "id": Text("id", "编号"),
    "period": Text("period", "评价期"),
    "since": Text("from", "起"),
    "until": Text("before", "止（不含）"),
    "final": Text("final", "正式"),
    "made_at": Text("made", "生成时间"),
    "appeals_until": Text("appeals until", "申诉截止"),
}
METHOD = {
    "indicator": Text("indicator", "指标"),
    "name": Text("name", "名称"),
    "weight": Text("weight", "权重"),
    "formula": Text("formula", "计算方法"),
}
SCORE = {
    "rank": Text("rank", "排名"),
    "department_id": Text("id", "部门编号"),
    "department": Text("department", "部门"),
    "division": Text("division", "行政区划"),
    "score": Text("score", "得分"),
}
SHORT = {
    "collection": Text("collected", "采集"),
    "answers": Text("answered", "答复"),
    "freshness": Text("fresh", "及时"),
    "quality": Text("quality", "质量"),
    "reconciliation": Text("reconciled", "对账"),
    "use": Text("used", "使用"),
    "objections": Text("objections", "异议"),
}
FIGURE = {
    "indicator": METHOD["indicator"],
    "met": Text("met", "达标"),
    "base": Text("of", "总数"),
    "share": Text("figure", "指标值"),
    "corrected": Text("corrected", "已更正"),
}
FACT = {
    "subject": Text("fact", "事项"),
    "met": FIGURE["met"],
    "base": FIGURE["base"],
    "about": Text("judged by", "判定依据"),
}
APPEAL = {
    "id": Text("id", "编号"),
    "department_id": SCORE["department_id"],
    "indicator": METHOD["indicator"],
    "reason": Text("reason", "理由"),
    "state": Text("state", "状态"),
    "answer": Text("answer", "答复"),
}
WHICH = Text("its id", "评价编号")
PERIOD = Text("2026, 2026-H1, 2026-Q3 or 2026-07", "2026、2026-H1、2026-Q3 或 2026-07")
FORMS = {".xlsx": "xlsx", ".pdf": "pdf"}

Evaluation = Annotated[int, typer.Argument(metavar="EVALUATION", min=1, help=WHICH.format())]
Department = Annotated[int, typer.Argument(metavar="DEPARTMENT", min=1, help=SCORE["department_id"].format())]
Indicator = Annotated[str, typer.Argument(metavar="INDICATOR", help=", ".join(SHORT))]
Reason = Annotated[str, typer.Option("--reason", help=Text("why", "理由").format())]
AsJson = Annotated[bool, typer.Option("--json", help=Text("print JSON", "输出 JSON").format())]


def register(app: typer.Typer) -> None:
    """Add the group ``evaluation`` to ``app``."""
    group = typer.Typer(help=Text("Evaluation of departments", "绩效评价").format(), no_args_is_help=True)
    for name, command, text in (
        ("make", make, Text("Evaluate all departments over a period", "生成评价")),
        ("list", list_, Text("List the evaluations", "查看评价列表")),
        ("show", show, Text("Show formulas and weights", "查看计算方法与权重")),
        ("scores", scores, Text("Show the departments' table", "查看部门得分")),
        ("department", department, Text("Show one department's figures", "查看部门指标")),
        ("facts", facts, Text("Follow a figure down to its facts", "查看指标明细")),
        ("report", report, Text("Write the report: .xlsx or .pdf", "导出报告：.xlsx 或 .pdf")),
        ("appeal", appeal, Text("Appeal against a figure", "对指标提出申诉")),
        ("appeals", appeals, Text("List appeals", "查看申诉列表")),
        ("answer", answer, Text("Answer an appeal", "答复申诉")),
    ):
        group.command(name, help=text.format())(command)
    app.add_typer(group, name="evaluation")


def make(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help=PERIOD.format())],
    json: AsJson = False,
) -> None:
    """Evaluate all departments over a period."""
    with session.opened() as admin:
        output.emit_one(admin.evaluate(period), COLUMNS, json)


def list_(json: AsJson = False) -> None:
    """List the evaluations."""
    with session.opened() as admin:
        output.emit(admin.evaluations(), COLUMNS, json)


def show(evaluation: Evaluation, json: AsJson = False) -> None:
    """Show an evaluation's formulas and weights."""
    with session.opened() as admin:
        found = admin.evaluation(evaluation)
    output.emit_one(found, COLUMNS, json)
    if not json:
        output.emit(found["indicators"], METHOD, as_json=False)


def scores(evaluation: Evaluation, json: AsJson = False) -> None:
    """Show the departments' table, the best first."""
    with session.opened() as admin:
        rows = list(admin.scores(evaluation))
    if json:
        output.emit(rows, SCORE, as_json=True)
    else:
        flat = [{**row, **{each["indicator"]: _share(each) for each in row["figures"]}} for row in rows]
        output.emit(flat, SCORE | SHORT, as_json=False)


def department(evaluation: Evaluation, department: Department, json: AsJson = False) -> None:
    """Show one department's score and figures."""
    with session.opened() as admin:
        found = admin.score(evaluation, department)
    output.emit_one(found, SCORE, json)
    if not json:
        output.emit([{**each, "share": _share(each)} for each in found["figures"]], FIGURE, as_json=False)


def facts(evaluation: Evaluation, department: Department, indicator: Indicator, json: AsJson = False) -> None:
    """Show the facts that count in a figure, what was missed first."""
    with session.opened() as admin:
        found = admin.facts(evaluation, department, indicator)
    if json:
        output.emit_one(found, {}, as_json=True)
        return
    output.facts([(METHOD["formula"], found["formula"]), (FIGURE["share"], f"{found['met']:g} / {found['base']:g}")])
    output.emit([{**each, "about": _about(each["about"])} for each in found["items"]], FACT, as_json=False)


def report(
    evaluation: Evaluation,
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help=", ".join(FORMS))],
) -> None:
    """Write the report with charts, formulas and weights."""
    form = FORMS.get(file.suffix.lower())
    if form is None:
        raise ConfigError(file=file, key="-", expected=", ".join(FORMS), found=file.suffix or "-", example="report.pdf")
    with session.opened() as admin:
        data = admin.report(evaluation, form)
    file.write_bytes(data)
    output.say(Text(f"{file}: {len(data)} bytes", f"{file}：{len(data)} 字节"))


def appeal(evaluation: Evaluation, indicator: Indicator, reason: Reason, json: AsJson = False) -> None:
    """Appeal against a figure of one's own department."""
    with session.opened() as admin:
        output.emit_one(admin.appeal(evaluation, indicator, reason), APPEAL, json)


def appeals(evaluation: Evaluation, json: AsJson = False) -> None:
    """List the appeals of one's own department, or of those that one administers."""
    with session.opened() as admin:
        output.emit(admin.appeals(evaluation), APPEAL, json)


def answer(
    evaluation: Evaluation,
    number: Annotated[int, typer.Argument(metavar="APPEAL", min=1, help=Text("its id", "申诉编号").format())],
    reason: Reason,
    met: Annotated[float | None, typer.Option("--met", min=0, help=Text("correct: met", "更正：达标").format())] = None,
    base: Annotated[
        float | None, typer.Option("--of", min=0, help=Text("correct: of how much", "更正：总数").format())
    ] = None,
    json: AsJson = False,
) -> None:
    """Uphold a figure; with --met and --of, correct it."""
    with session.opened() as admin:
        output.emit_one(admin.answer_appeal(evaluation, number, reason, met, base), APPEAL, json)


def _share(figure: dict[str, Any]) -> str | None:
    return None if figure["value"] is None else f"{figure['value']:.1%}"


def _about(found: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in found.items())
