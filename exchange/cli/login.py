"""``exchange login``, ``exchange logout`` and ``exchange whoami``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli import output, session
from exchange.cli.prompt import ask_secret
from exchange.text import Text

URL = Text("the registry's address", "登记中心地址")
USER = Text("user name", "用户名")
PASSWORD_FILE = Text("file with the password; without it, it is asked for", "密码文件；未提供时将提示输入")
BROWSER = Text("sign in at the identity provider, in the browser", "在浏览器中通过统一身份认证登录")
PORT = Text(
    "with --browser: the loopback port to wait on (ssh -L); 0: a free one",
    "配合 --browser：等待的本机端口；0 为任意空闲端口",
)
CA_FILE = Text("certificate authority of the registry", "登记中心的证书颁发机构")
JSON = Text("print JSON", "输出 JSON")
PASSWORD = Text("Password", "密码")
ME = {
    "name": Text("user", "用户"),
    "role": Text("role", "角色"),
    "department_id": Text("department", "部门"),
    "division": Text("division", "行政区划"),
}


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(help=Text("Log in to a registry", "登录登记中心").format())(login)
    app.command(help=Text("Forget the login", "退出登录").format())(logout)
    app.command(help=Text("Show who is logged in", "显示当前登录用户").format())(whoami)


def login(
    url: Annotated[str, typer.Option("--url", help=URL.format())] = "http://127.0.0.1:8440",
    user: Annotated[str, typer.Option("--user", help=USER.format())] = "admin",
    password_file: Annotated[Path | None, typer.Option(help=PASSWORD_FILE.format(), dir_okay=False)] = None,
    ca_file: Annotated[Path | None, typer.Option(help=CA_FILE.format(), dir_okay=False)] = None,
    browser: Annotated[bool, typer.Option("--browser", help=BROWSER.format())] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help=PORT.format())] = 0,
) -> None:
    """Try a login, and keep it in a file that only its owner reads."""
    stored = session.Stored(url, user, ca_file=str(ca_file.absolute()) if ca_file else None)
    if browser:
        stored = _by_browser(stored, port)
    else:
        password = session.read_secret(password_file) if password_file else ask_secret(PASSWORD)
        stored = replace(stored, password=password)
    client = stored.client()
    try:
        client.get("me")
    finally:
        client.close()
    path = session.keep(stored)
    output.say(Text(f"{stored.user} is logged in; kept in {path}", f"{stored.user} 已登录；凭据保存于 {path}"))


def _by_browser(stored: session.Stored, port: int) -> session.Stored:
    from exchange.cli.browser import sign_in  # noqa: PLC0415 - `exchange --help` stays quick

    def show(address: str) -> None:
        output.say(Text(f"Sign in here: {address}", f"请在浏览器中登录：{address}"))
        typer.launch(address)

    name, kept = sign_in(stored.registry, port, show)
    return replace(stored, user=name, session=kept)


def logout() -> None:
    """Delete the login that is kept."""
    session.forget()


def whoami(json: Annotated[bool, typer.Option("--json", help=JSON.format())] = False) -> None:
    """Show the account under which commands run."""
    with session.opened() as admin:
        output.emit_one(admin.get("me"), ME, json)
