"""``exchange org``: divisions, nodes and departments, and their mergers and splits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from exchange.cli import output, session
from exchange.text import Text

JSON = Text("print JSON", "输出 JSON")
ON = Text("the day, like 2026-01-31; without it, today", "日期，如 2026-01-31；未提供时为今天")
PARENT = Text("the division above", "上级区划")
LEVEL = Text("a word for its tier, like county or town", "层级，如 county、town")
DIVISION = Text("code of the division", "行政区划代码")
NODE = Text("the node that it exchanges on", "所属交换节点")
ABOVE = Text("the node above", "上级节点")
INTO = Text("id of the department that takes over", "接收部门编号")
NEW_NAME = Text("the new name", "新名称")
PART = Text(
    "<department id>=<client_id>[,<client_id>...]: what one department takes over",
    "<部门编号>=<client_id>[,<client_id>...]：一个部门接收的业务系统",
)
DISSOLVED = Text("also those that were dissolved", "包括已撤销的部门")

Json = Annotated[bool, typer.Option("--json", help=JSON.format())]
Day = Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help=ON.format())]
Id = Annotated[int, typer.Argument(metavar="ID", min=1)]
Code = Annotated[str, typer.Argument(metavar="CODE")]

DEPARTMENT = {
    "id": Text("id", "编号"),
    "uscc": Text("USCC", "统一社会信用代码"),
    "name": Text("name", "名称"),
    "division": Text("division", "行政区划"),
    "node": Text("node", "交换节点"),
    "valid_to": Text("until", "截止"),
    "successor_id": Text("successor", "承接部门"),
}
PLACE = {
    "code": Text("code", "代码"),
    "name": Text("name", "名称"),
    "parent": Text("above", "上级"),
    "level": Text("tier", "层级"),
    "valid_from": Text("from", "起始"),
    "valid_to": Text("until", "截止"),
}
PEER = {
    "code": Text("code", "代码"),
    "name": Text("name", "名称"),
    "division": Text("division", "行政区划"),
    "parent": Text("above", "上级"),
}
AUTHORITY = {
    "division": Text("division", "行政区划"),
    "id": Text("id", "编号"),
    "name": Text("department in charge", "主管部门"),
    "named_at": Text("since", "起始"),
}
MOVED = {
    "department_id": Text("to", "接收部门"),
    "systems": Text("systems", "业务系统"),
    "resources": Text("resources", "信息资源"),
    "others": Text("other rows", "其他记录"),
}


def register(app: typer.Typer) -> None:
    """Add the group ``org`` to ``app``."""
    group = typer.Typer(help=Text("Divisions, nodes, departments", "区划、节点与部门").format(), no_args_is_help=True)
    for name, command, text in (
        ("divisions", divisions, Text("List the divisions below another", "查询下级行政区划")),
        ("add-division", add_division, Text("Create a division", "新增行政区划")),
        ("rename-division", rename_division, Text("Rename a division", "行政区划更名")),
        ("end-division", end_division, Text("End a division", "撤销行政区划")),
        ("nodes", nodes, Text("List the other nodes", "查询交换节点")),
        ("add-node", add_node, Text("Register another node", "登记交换节点")),
        ("change-node", change_node, Text("Change another node", "变更交换节点")),
        ("authorities", authorities, Text("List who is in charge of divisions", "查询主管部门")),
        ("set-authority", set_authority, Text("Put a department in charge of a division", "指定主管部门")),
        ("end-authority", end_authority, Text("Leave a division to the authority above", "取消主管部门")),
        ("departments", departments, Text("List departments", "查询部门")),
        ("add", add, Text("Register a department", "登记部门")),
        ("change", change, Text("Change a department's name or node", "变更部门名称或节点")),
        ("merge", merge, Text("Merge a department into another", "部门合并")),
        ("split", split, Text("Give systems with their resources to others", "部门拆分")),
    ):
        group.command(name, help=text.format())(command)
    app.add_typer(group, name="org")


def divisions(
    parent: Annotated[str | None, typer.Argument(metavar="[CODE]", help=PARENT.format())] = None, json: Json = False
) -> None:
    """List divisions."""
    with session.opened() as admin:
        output.emit(admin.every("divisions", parent=parent), PLACE, json)


def add_division(
    code: Code,
    name: Annotated[str, typer.Argument()],
    level: Annotated[str, typer.Option(help=LEVEL.format())],
    parent: Annotated[str | None, typer.Option(help=PARENT.format())] = None,
    json: Json = False,
) -> None:
    """Create a division."""
    with session.opened() as admin:
        output.emit_one(admin.add_division(code, name, parent, level), PLACE, json)


def rename_division(code: Code, name: Annotated[str, typer.Argument()], on: Day = None, json: Json = False) -> None:
    """Give a division a new name; the one before is kept."""
    with session.opened() as admin:
        output.emit_one(admin.rename_division(code, name, on.date() if on else None), PLACE, json)


def end_division(code: Code, on: Day = None, json: Json = False) -> None:
    """End a division in which nothing is left."""
    with session.opened() as admin:
        output.emit_one(admin.end_division(code, on.date() if on else None), PLACE, json)


def nodes(json: Json = False) -> None:
    """List the other nodes."""
    with session.opened() as admin:
        output.emit(admin.every("nodes"), PEER, json)


def add_node(
    code: Code,
    name: Annotated[str, typer.Argument()],
    division: Annotated[str, typer.Option(help=DIVISION.format())],
    parent: Annotated[str | None, typer.Option(help=ABOVE.format())] = None,
    json: Json = False,
) -> None:
    """Register another node."""
    with session.opened() as admin:
        output.emit_one(admin.add_node(code, name, division, parent), PEER, json)


def change_node(
    code: Code,
    name: Annotated[str | None, typer.Option(help=NEW_NAME.format())] = None,
    division: Annotated[str | None, typer.Option(help=DIVISION.format())] = None,
    parent: Annotated[str | None, typer.Option(help=ABOVE.format())] = None,
    json: Json = False,
) -> None:
    """Change another node; what is not given stays."""
    given = {"name": name, "division": division, "parent": parent}
    changes = {key: value for key, value in given.items() if value is not None}
    with session.opened() as admin:
        output.emit_one(admin.change_node(code, changes), PEER, json)


def authorities(json: Json = False) -> None:
    """List the departments in charge of divisions."""
    with session.opened() as admin:
        output.emit(map(_charge, admin.every("authorities")), AUTHORITY, json)


def set_authority(
    division: Code, department: Annotated[int, typer.Argument(metavar="DEPARTMENT", min=1)], json: Json = False
) -> None:
    """Put a department in charge of a division: it reviews, decides what is overdue, and settles disputes."""
    with session.opened() as admin:
        output.emit_one(_charge(admin.name_authority(division, department)), AUTHORITY, json)


def end_authority(division: Code) -> None:
    """Leave a division to the authority above it."""
    with session.opened() as admin:
        admin.dismiss_authority(division)


def departments(
    division: Annotated[str | None, typer.Option(help=DIVISION.format())] = None,
    dissolved: Annotated[bool, typer.Option("--dissolved", help=DISSOLVED.format())] = False,
    json: Json = False,
) -> None:
    """List departments."""
    with session.opened() as admin:
        shown = admin.every("departments", division=division, dissolved=None if dissolved else False)
        output.emit(shown, DEPARTMENT, json)


def add(
    uscc: Annotated[str, typer.Argument(metavar="USCC")],
    name: Annotated[str, typer.Argument()],
    division: Annotated[str, typer.Option(help=DIVISION.format())],
    json: Json = False,
) -> None:
    """Register a department."""
    with session.opened() as admin:
        made = admin.get(f"departments/{admin.add_department(uscc, name, division)}")
        output.emit_one(made, DEPARTMENT, json)


def change(
    department: Id,
    name: Annotated[str | None, typer.Option(help=NEW_NAME.format())] = None,
    node: Annotated[str | None, typer.Option(help=NODE.format())] = None,
    json: Json = False,
) -> None:
    """Change a department; what is not given stays."""
    changes = {key: value for key, value in (("name", name), ("node", node)) if value is not None}
    with session.opened() as admin:
        output.emit_one(admin.change_department(department, changes), DEPARTMENT, json)


def merge(
    department: Id,
    into: Annotated[int, typer.Option(min=1, help=INTO.format())],
    on: Day = None,
    json: Json = False,
) -> None:
    """Move all that a department has to another one, and dissolve it."""
    with session.opened() as admin:
        done = admin.merge_department(department, into, on.date() if on else None)
        output.emit(done["moved"], MOVED, json)


def split(
    department: Id,
    part: Annotated[list[str], typer.Option("--part", help=PART.format())],
    json: Json = False,
) -> None:
    """Move systems, each with its resources, to other departments."""
    with session.opened() as admin:
        output.emit(admin.split_department(department, dict(map(_part, part)))["moved"], MOVED, json)


def _charge(authority: dict[str, Any]) -> dict[str, Any]:
    """Return division and department of an authority as one row."""
    return {**authority["department"], "division": authority["division"], "named_at": authority["named_at"]}


def _part(text: str) -> tuple[int, list[str]]:
    number, _, systems = text.partition("=")
    if not number.isdecimal() or not systems:
        raise typer.BadParameter(PART.format(), param_hint="--part")
    return int(number), systems.split(",")
