"""``exchange user``: accounts of people, and one's own password."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli import output, session
from exchange.cli.prompt import ask_secret
from exchange.text import Text

JSON = Text("print JSON", "输出 JSON")
ROLE = Text(
    "system_admin, security_admin, auditor, department_admin, data_owner or developer",
    "system_admin、security_admin、auditor、department_admin、data_owner 或 developer",
)
DEPARTMENT = Text("id of the department, for a role in one", "部门编号（部门角色必填）")
DIVISION = Text("the division that one of the three is delegated to", "三员所管辖的行政区划")
EMAIL = Text("as the OIDC provider tells it", "OIDC 提供方给出的电子邮箱")
SUBJECT = Text("`sub` at the OIDC provider", "OIDC 提供方的 sub")
PASSWORD_FILE = Text("file with the password; without it, it is asked for", "密码文件；未提供时将提示输入")
URL = Text("the registry's address; without it, that of the login", "登记中心地址；未提供时取自登录信息")
FIRST = Text("The user's first password", "用户的初始密码")
OLD = Text("Present password", "当前密码")
NEW = Text("New password", "新密码")
COLUMNS = {
    "name": Text("name", "用户名"),
    "role": Text("role", "角色"),
    "department_id": Text("department", "部门"),
    "division": Text("division", "行政区划"),
    "active": Text("on", "启用"),
    "must_change": Text("has to change the password", "须修改密码"),
    "locked_until": Text("locked until", "锁定至"),
}

Json = Annotated[bool, typer.Option("--json", help=JSON.format())]
Name = Annotated[str, typer.Argument(metavar="NAME")]
Role = Annotated[str, typer.Option(help=ROLE.format())]
Department = Annotated[int | None, typer.Option(min=1, help=DEPARTMENT.format())]
Division = Annotated[str | None, typer.Option(help=DIVISION.format())]
Email = Annotated[str | None, typer.Option(help=EMAIL.format())]
Subject = Annotated[str | None, typer.Option(help=SUBJECT.format())]
File = Annotated[Path | None, typer.Option("--password-file", help=PASSWORD_FILE.format(), dir_okay=False)]


def register(app: typer.Typer) -> None:
    """Add the group ``user`` to ``app``."""
    group = typer.Typer(help=Text("Accounts of people", "用户账号").format(), no_args_is_help=True)
    for name, command, text in (
        ("list", show, Text("List accounts", "查询账号")),
        ("add", add, Text("Register a user", "登记用户")),
        ("change", change, Text("Change role, place or identity", "变更角色、归属或身份")),
        ("reset", reset, Text("Give a user a password to be changed", "重置用户密码")),
        ("on", on, Text("Switch an account on", "启用账号")),
        ("off", off, Text("Switch an account off", "停用账号")),
        ("password", password, Text("Change the own password", "修改本人密码")),
    ):
        group.command(name, help=text.format())(command)
    app.add_typer(group, name="user")


def show(role: Annotated[str | None, typer.Option(help=ROLE.format())] = None, json: Json = False) -> None:
    """List accounts."""
    with session.opened() as admin:
        output.emit(admin.every("users", role=role), COLUMNS, json)


def add(
    name: Name,
    role: Role,
    department: Department = None,
    division: Division = None,
    email: Email = None,
    subject: Subject = None,
    password_file: File = None,
    json: Json = False,
) -> None:
    """Register a user, who has to change the password at the first sign-in."""
    first = session.read_secret(password_file) if password_file else ask_secret(FIRST, confirm=True)
    with session.opened() as admin:
        made = admin.add_user(name, first, role, department, division=division, email=email, subject=subject)
        output.emit_one(made, COLUMNS, json)


def change(
    name: Name,
    role: Annotated[str | None, typer.Option(help=ROLE.format())] = None,
    department: Department = None,
    division: Division = None,
    email: Email = None,
    subject: Subject = None,
    json: Json = False,
) -> None:
    """Change an account; what is not given stays."""
    given = {"role": role, "department_id": department, "division": division, "email": email, "subject": subject}
    with session.opened() as admin:
        changes = {key: value for key, value in given.items() if value is not None}
        output.emit_one(admin.change_user(name, changes), COLUMNS, json)


def reset(name: Name, password_file: File = None, json: Json = False) -> None:
    """Give another's account a password, which has to be changed at the next sign-in; ends a lock."""
    first = session.read_secret(password_file) if password_file else ask_secret(FIRST, confirm=True)
    with session.opened() as admin:
        output.emit_one(admin.reset_password(name, first), COLUMNS, json)


def on(name: Name, json: Json = False) -> None:
    """Switch another's account on."""
    with session.opened() as admin:
        output.emit_one(admin.switch_user(name, active=True), COLUMNS, json)


def off(name: Name, json: Json = False) -> None:
    """Switch another's account off: its tokens end at once."""
    with session.opened() as admin:
        output.emit_one(admin.switch_user(name, active=False), COLUMNS, json)


def password(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None,
    url: Annotated[str | None, typer.Option(help=URL.format())] = None,
    old_file: Annotated[Path | None, typer.Option(help=PASSWORD_FILE.format(), dir_okay=False)] = None,
    new_file: Annotated[Path | None, typer.Option(help=PASSWORD_FILE.format(), dir_okay=False)] = None,
) -> None:
    """Change the own password; a login that is kept, and is the same user's, is kept with the new one."""
    from exchange.admin import AdminClient  # noqa: PLC0415 - `exchange --help` stays quick

    kept = session.present() if name is None or url is None else None
    who, where = name or (kept.user if kept else ""), url or (kept.url if kept else "")
    old = session.read_secret(old_file) if old_file else ask_secret(OLD)
    new = session.read_secret(new_file) if new_file else ask_secret(NEW, confirm=True)
    login = session.Stored(where, who, new, kept.ca_file if kept else None)
    AdminClient.change_password(login.registry, who, old, new)
    session.renew(login)
    output.say(Text(f"The password of {who} is changed", f"{who} 的密码已修改"))
