"""``exchange system``: what the departments' systems are, and how they prove themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli import output, session
from exchange.text import Text

JSON = Text("print JSON", "输出 JSON")
DEPARTMENT = Text("id of its department", "所属部门编号")
PEM = Text("file with the public key, PEM", "公钥文件（PEM）")
SECRET_FILE = Text(
    "where the secret is written (0600); without it, it is printed", "密钥写入的文件（0600）；未提供时显示"
)
COLUMNS = {
    "client_id": Text("client_id", "client_id"),
    "department_id": Text("department", "部门"),
    "name": Text("name", "名称"),
    "active": Text("on", "启用"),
    "proof": Text("signs in with", "认证方式"),
}
SECRET = {"client_id": Text("client_id", "client_id"), "secret": Text("secret, told this once", "密钥（仅显示一次）")}
WEBHOOK = {
    "client_id": Text("client_id", "client_id"),
    "url": Text("sent to", "回调地址"),
    "attempts": Text("failed attempts", "失败次数"),
    "next_attempt_at": Text("next attempt", "下次尝试"),
    "last_error": Text("last error", "最近错误"),
}
RECEIPT_KEYS = {
    "kid": Text("key", "密钥编号"),
    "created_at": Text("since", "启用时间"),
    "ended_at": Text("ended", "停用时间"),
    "ended_by": Text("by", "停用人"),
}
SWITCHED = {
    "client_id": Text("client_id", "client_id"),
    "active": Text("on", "启用"),
    "enforced": Text("at the broker", "消息服务已生效"),
}

Json = Annotated[bool, typer.Option("--json", help=JSON.format())]
ClientId = Annotated[str, typer.Argument(metavar="CLIENT_ID")]
SecretFile = Annotated[Path | None, typer.Option("--secret-file", help=SECRET_FILE.format(), dir_okay=False)]


def register(app: typer.Typer) -> None:
    """Add the group ``system`` to ``app``."""
    group = typer.Typer(help=Text("The departments' systems", "部门业务系统").format(), no_args_is_help=True)
    for name, command, text in (
        ("list", show, Text("List systems", "查询业务系统")),
        ("add", add, Text("Register a system", "登记业务系统")),
        ("rename", rename, Text("Rename a system", "业务系统更名")),
        ("secret", secret, Text("Give a system a new secret", "重新签发密钥")),
        ("key", key, Text("Have a system sign in with its own key", "登记业务系统公钥")),
        ("webhook", webhook, Text("Show where its notices are sent", "查看回调地址")),
        ("set-webhook", set_webhook, Text("Have its notices sent to a URL", "设置回调地址")),
        ("end-webhook", end_webhook, Text("Send its notices nowhere any more", "取消回调地址")),
        ("receipt-keys", receipt_keys, Text("List the keys that sign its receipts", "查询回执签名密钥")),
        ("end-receipt-key", end_receipt_key, Text("End such a key: its file was lost or seen", "停用回执签名密钥")),
        ("on", on, Text("Switch a system on", "启用业务系统")),
        ("off", off, Text("Switch a system off", "停用业务系统")),
    ):
        group.command(name, help=text.format())(command)
    app.add_typer(group, name="system")


def show(
    department: Annotated[int | None, typer.Option(min=1, help=DEPARTMENT.format())] = None, json: Json = False
) -> None:
    """List systems."""
    with session.opened() as admin:
        output.emit(admin.every("systems", department=department), COLUMNS, json)


def add(
    client_id: ClientId,
    name: Annotated[str, typer.Argument()],
    department: Annotated[int, typer.Option(min=1, help=DEPARTMENT.format())],
    secret_file: SecretFile = None,
    json: Json = False,
) -> None:
    """Register a system; its secret is told this once."""
    with session.opened() as admin:
        _tell(client_id, admin.add_system(client_id, department, name), secret_file, as_json=json)


def rename(client_id: ClientId, name: Annotated[str, typer.Argument()], json: Json = False) -> None:
    """Give a system another name."""
    with session.opened() as admin:
        output.emit_one(admin.rename_system(client_id, name), COLUMNS, json)


def secret(client_id: ClientId, secret_file: SecretFile = None, json: Json = False) -> None:
    """Give a system a new secret; the old one, or its key, ends at once."""
    with session.opened() as admin:
        _tell(client_id, admin.renew_secret(client_id), secret_file, as_json=json)


def key(
    client_id: ClientId,
    pem: Annotated[Path, typer.Argument(metavar="PEM", help=PEM.format(), dir_okay=False)],
    json: Json = False,
) -> None:
    """Have a system sign in with its own key; its secret ends at once."""
    text = session.read_secret(pem)
    with session.opened() as admin:
        output.emit_one(admin.take_key(client_id, text), {"client_id": COLUMNS["client_id"]}, json)


def webhook(client_id: ClientId, json: Json = False) -> None:
    """Show where a system's notices are sent, and how that fares."""
    with session.opened() as admin:
        output.emit_one(admin.get(f"systems/{client_id}/webhook"), WEBHOOK, json)


def set_webhook(
    client_id: ClientId,
    url: Annotated[str, typer.Argument(metavar="URL")],
    secret_file: SecretFile = None,
    json: Json = False,
) -> None:
    """Have a system's notices sent to a URL from now on; the secret that signs them is told this once."""
    with session.opened() as admin:
        _tell(client_id, admin.set_webhook(client_id, url)["secret"], secret_file, as_json=json)


def end_webhook(client_id: ClientId) -> None:
    """Send a system's notices nowhere any more."""
    with session.opened() as admin:
        admin.remove_webhook(client_id)


def receipt_keys(client_id: ClientId, json: Json = False) -> None:
    """List the keys that sign a system's receipts, ended ones too."""
    with session.opened() as admin:
        output.emit(admin.receipt_keys(client_id), RECEIPT_KEYS, json)


def end_receipt_key(
    client_id: ClientId, kid: Annotated[str, typer.Argument(metavar="KID")], json: Json = False
) -> None:
    """End a key that signs receipts: what it signs from now on is refused."""
    with session.opened() as admin:
        output.emit_one(admin.end_receipt_key(client_id, kid), RECEIPT_KEYS, json)


def on(client_id: ClientId, json: Json = False) -> None:
    """Switch a system on."""
    with session.opened() as admin:
        output.emit_one(admin.switch_system(client_id, active=True), SWITCHED, json)


def off(client_id: ClientId, json: Json = False) -> None:
    """Switch a system off: no token, no ACL."""
    with session.opened() as admin:
        output.emit_one(admin.switch_system(client_id, active=False), SWITCHED, json)


def _tell(client_id: str, told: str, file: Path | None, *, as_json: bool) -> None:
    if file is None:
        output.emit_one({"client_id": client_id, "secret": told}, SECRET, as_json)
        return
    session.write_secret(file, told)
    output.emit_one({"client_id": client_id, "secret_file": str(file)}, {"client_id": COLUMNS["client_id"]}, as_json)
