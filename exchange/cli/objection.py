"""``exchange objection``: disputing a record or a resource, and answering."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.cli import output, session
from exchange.text import Text

COLUMNS = {
    "id": Text("id", "编号"),
    "resource": Text("resource", "信息资源"),
    "key": Text("record", "记录"),
    "client_id": Text("raised for", "提出方系统"),
    "state": Text("state", "状态"),
    "due_at": Text("due", "期限"),
    "overdue": Text("overdue", "逾期"),
}
DETAIL = {
    **COLUMNS,
    "complaint": Text("complaint", "异议内容"),
    "founded": Text("founded", "是否成立"),
    "finding": Text("finding", "核实结果"),
    "result": Text("result", "处理结果"),
    "marked_at": Text("marked", "标记时间"),
}

Objection = Annotated[int, typer.Argument(metavar="OBJECTION", min=1, help=Text("its id", "异议编号").format())]
AsJson = Annotated[bool, typer.Option("--json", help=Text("print JSON", "输出 JSON").format())]


def register(app: typer.Typer) -> None:
    """Add the group ``objection`` to ``app``."""
    group = typer.Typer(help=Text("Dispute data, and answer", "数据异议处理").format(), no_args_is_help=True)
    for name, command, text in (
        ("new", new, Text("Object to a record or a resource", "提出异议")),
        ("list", list_, Text("List objections", "查看异议列表")),
        ("show", show, Text("Show an objection", "查看异议")),
        ("accept", accept, Text("Take it up", "受理")),
        ("mark", mark, Text("Mark the data as in doubt", "标记数据")),
        ("verify", verify, Text("Say whether it is founded", "核实")),
        ("correct", correct, Text("Say what was corrected", "更正")),
        ("close", close, Text("Close it", "办结")),
        ("archive", archive, Text("Archive it", "归档")),
    ):
        group.command(name, help=text.format())(command)
    app.add_typer(group, name="objection")


def new(
    resource: Annotated[str, typer.Argument(metavar="CODE", help=Text("the resource's code", "资源代码").format())],
    system: Annotated[str, typer.Option("--system", help=Text("for which system", "业务系统").format())],
    complaint: Annotated[str, typer.Option("--complaint", help=Text("what is wrong", "异议内容").format())],
    key: Annotated[str | None, typer.Option("--key", help=Text("the record's key", "记录主键").format())] = None,
    json: AsJson = False,
) -> None:
    """Object to a record, or without --key to the resource."""
    with session.opened() as admin:
        output.emit_one(admin.object_to(resource, system, complaint, key), DETAIL, json)


def list_(
    state: Annotated[str | None, typer.Option("--state", help=Text("only in this state", "按状态").format())] = None,
    json: AsJson = False,
) -> None:
    """List the objections that one's department raised or has to answer."""
    with session.opened() as admin:
        output.emit(admin.objections(state=state), COLUMNS, json)


def show(objection: Objection, json: AsJson = False) -> None:
    """Show one objection."""
    with session.opened() as admin:
        output.emit_one(admin.get(f"objections/{objection}"), DETAIL, json)


def accept(objection: Objection, json: AsJson = False) -> None:
    """Take it up."""
    _step(objection, "accept", as_json=json)


def mark(objection: Objection, json: AsJson = False) -> None:
    """Mark the data as in doubt: everyone who received them is told."""
    _step(objection, "mark", as_json=json)


def verify(
    objection: Objection,
    founded: Annotated[bool, typer.Option("--founded/--unfounded", help=Text("is it?", "是否成立").format())],
    finding: Annotated[str, typer.Option("--finding", help=Text("what was found", "核实结果").format())],
    json: AsJson = False,
) -> None:
    """Say whether it is founded."""
    _step(objection, "verify", {"founded": founded, "finding": finding}, as_json=json)


def correct(
    objection: Objection,
    result: Annotated[str, typer.Option("--result", help=Text("what was corrected", "处理结果").format())],
    json: AsJson = False,
) -> None:
    """Say what was corrected."""
    _step(objection, "correct", {"result": result}, as_json=json)


def close(objection: Objection, json: AsJson = False) -> None:
    """Close it."""
    _step(objection, "close", as_json=json)


def archive(objection: Objection, json: AsJson = False) -> None:
    """Archive it."""
    _step(objection, "archive", as_json=json)


def _step(objection: int, step: str, body: dict[str, object] | None = None, *, as_json: bool) -> None:
    with session.opened() as admin:
        output.emit_one(admin.step_objection(objection, step, body), DETAIL, as_json)
