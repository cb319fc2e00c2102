"""``exchange audit``: look into the audit, take it along, and verify it: here, not at the registry that is judged."""

from __future__ import annotations

import json as jsons
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exchange.cli import output, session
from exchange.errors import ExchangeError, SourceProblem
from exchange.text import Text

if TYPE_CHECKING:
    from registry.audit.chain import Verdict
    from registry.audit.domain import Entry
    from registry.audit.signing import Head

SIGNATURE = ".sig"
JSON = Text("print JSON", "输出 JSON")
ACTOR = Text("only of this account", "仅限该账号")
ACTION = Text("only this action; `grant.*` is all that begin so", "仅限该操作；`grant.*` 表示以此开头")
TARGET = Text("only about this; `request/17`, `resource/*`", "仅限该对象；如 `request/17`、`resource/*`")
SINCE = Text("from this instant on, like 2026-02-14T00:00:00Z", "起始时间，如 2026-02-14T00:00:00Z")
LIMIT = Text("how many, the newest first", "条数，最新在前")
FILE = Text("an export; without it, the registry is asked", "导出文件；未提供时向登记中心读取")
KEY = Text("the public key that was kept elsewhere (PEM)", "另行保存的公钥（PEM）")
COLUMNS = {
    "number": Text("number", "序号"),
    "at": Text("time", "时间"),
    "actor": Text("account", "账号"),
    "action": Text("action", "操作"),
    "target": Text("about", "对象"),
}
KINDS = {
    "changed": Text("was changed", "被篡改"),
    "removed": Text("was removed", "被删除"),
    "inserted": Text("was inserted", "被插入"),
    "reordered": Text("was moved", "被调换次序"),
    "rewritten": Text("or a later one was rewritten, with all after it", "或其后的记录被整体改写"),
}

Json = Annotated[bool, typer.Option("--json", help=JSON.format())]


class Tampered(ExchangeError):
    """The audit is not as it was written."""

    code = "tampered"
    exit_code = 7
    text = Text(
        "The audit was tampered with: entry {number}{until} {kind}", "审计记录已被改动：第 {number}{until} 条{kind}"
    )
    hint = Text(
        "Keep this export and the signed heads, and compare with an older export.",
        "请保存本次导出与已签名的链首，并与早先的导出比对。",
    )


class BadSignature(ExchangeError):
    """A head is not signed by the key that it has to be."""

    code = "bad_signature"
    exit_code = 7
    text = Text("The head at entry {number} is not signed by {key}", "第 {number} 条处的链首并非由 {key} 签名")
    hint = Text(
        "Ask where the key came from; an auditor keeps a copy elsewhere.", "请核对公钥来源；审计员应另行保存公钥。"
    )


def register(app: typer.Typer) -> None:
    """Add the group ``audit`` to ``app``."""
    group = typer.Typer(help=Text("The audit, for auditors", "审计记录（审计员）").format(), no_args_is_help=True)
    for name, command, text in (
        ("list", show_all, Text("List entries, the newest first", "查询审计记录，最新在前")),
        ("show", show, Text("Show one entry", "查看一条记录")),
        ("export", export, Text("Write all entries and the signed head to files", "导出全部记录与已签名的链首")),
        ("verify", verify, Text("Verify the chain and its signatures", "校验审计链与签名")),
    ):
        group.command(name, help=text.format())(command)
    app.add_typer(group, name="audit")


def show_all(
    actor: Annotated[str | None, typer.Option(help=ACTOR.format())] = None,
    action: Annotated[str | None, typer.Option(help=ACTION.format())] = None,
    target: Annotated[str | None, typer.Option(help=TARGET.format())] = None,
    since: Annotated[str | None, typer.Option(help=SINCE.format())] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help=LIMIT.format())] = 50,
    json: Json = False,
) -> None:
    """List entries, the newest first."""
    with session.opened() as admin:
        found = admin.audit_entries(limit, actor=actor, action=action, target=target, since=since)
        output.emit(found, COLUMNS, json)


def show(number: Annotated[int, typer.Argument(min=1)], json: Json = False) -> None:
    """Show one entry."""
    with session.opened() as admin:
        entry = admin.audit_entry(number)
        rows = {name: Text(name, name) for name in entry}
        output.emit_one(entry, {**rows, **COLUMNS}, json)


def export(file: Annotated[Path, typer.Argument(dir_okay=False)], json: Json = False) -> None:
    """Write all entries to FILE as JSON lines, and the signed head with the public key to FILE.sig."""
    with session.opened() as admin:
        head, keys = admin.sign_audit(), admin.audit_keys()
        with file.open("w", encoding="utf-8") as out:
            for entry in admin.audit_export(head["number"]):
                out.write(jsons.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")
    signature = file.with_name(file.name + SIGNATURE)
    signature.write_text(jsons.dumps({"heads": [head], "keys": keys}, indent=1), encoding="utf-8")
    told = {"entries": head["number"], "file": str(file), "signature": str(signature), "kid": head["kid"]}
    columns = {
        "entries": Text("entries", "条数"),
        "file": Text("file", "文件"),
        "signature": Text("signature", "签名文件"),
        "kid": Text("key", "密钥编号"),
    }
    output.emit_one(told, columns, json)


def verify(
    file: Annotated[Path | None, typer.Argument(help=FILE.format(), dir_okay=False)] = None,
    key: Annotated[Path | None, typer.Option("--key", help=KEY.format(), dir_okay=False)] = None,
    json: Json = False,
) -> None:
    """Verify an export, or the registry's audit with its heads in database and bus; exit code 7: tampered with."""
    from registry.audit.chain import verify as judge  # noqa: PLC0415 - `exchange --help` stays quick
    from registry.audit.domain import Entry  # noqa: PLC0415

    if file is not None:
        kept = _read(file.with_name(file.name + SIGNATURE))
        anchors = _checked(kept["heads"], kept["keys"], key)
        verdict = judge(_lines(file), [head.anchor for head in anchors])
    else:
        with session.opened() as admin:
            # What the bus and the heads say is asked first: signing now would bless what was done to the end.
            anchors = _checked([*admin.audit_heads(), admin.sign_audit()], admin.audit_keys(), key)
            last = max(head.number for head in anchors)
            stored = (Entry.from_json(each) for each in admin.audit_export(last))
            verdict = judge(stored, [head.anchor for head in anchors])
    _tell(verdict, len(anchors), json)


def _tell(verdict: Verdict, signed: int, as_json: bool) -> None:
    told: dict[str, Any] = {
        "intact": verdict.intact,
        "entries": verdict.entries,
        "heads": signed,
        "tampering": verdict.kind,
        "number": verdict.number,
        "until": verdict.until,
    }
    columns = {
        "intact": Text("intact", "完好"),
        "entries": Text("entries verified", "已校验条数"),
        "heads": Text("signed heads", "已签名链首"),
    }
    output.emit_one(told, columns, as_json)
    if (wrong := tampered(verdict)) is not None:
        raise wrong


def tampered(verdict: Verdict) -> Tampered | None:
    """Return what a verdict complains of."""
    if verdict.kind is None:
        return None
    until = f"-{verdict.until}" if verdict.until and verdict.until != verdict.number else ""
    return Tampered(number=verdict.number, until=until, kind=KINDS[verdict.kind.value])


def _checked(heads: Iterable[dict[str, Any]], keys: dict[str, str], pinned: Path | None) -> list[Head]:
    """Return the heads if each is signed by the pinned key, or without one by a key that came with them."""
    from registry.audit.signing import Head, kid_of  # noqa: PLC0415

    if pinned is not None:
        pem = session.read_secret(pinned) + "\n"
        keys = {kid_of(pem): pem}
    found = [Head.from_json(head) for head in heads]
    for head in found:
        if not head.is_signed_by(keys):
            raise BadSignature(number=head.number, key=pinned or head.kid)
    return found


def _lines(file: Path) -> Iterator[Entry]:
    from registry.audit.domain import Entry  # noqa: PLC0415

    read = 0
    try:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                read += 1
                yield Entry.from_json(jsons.loads(line))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise SourceProblem(source=f"{file}:{read}", reason=Text("not an export", "不是审计导出文件")) from exc


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = jsons.loads(path.read_text(encoding="utf-8"))
        return {"heads": list(kept["heads"]), "keys": dict(kept["keys"])}
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise SourceProblem(source=path, reason=Text("not the signature of an export", "不是导出的签名文件")) from exc
