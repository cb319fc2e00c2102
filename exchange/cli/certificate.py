"""``exchange certificate``: the daily certificates, and verifying one alone, without the registry that issued it."""

from __future__ import annotations

import json as jsons
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exchange.cli import output, session
from exchange.errors import ExchangeError, SourceProblem
from exchange.text import Text

if TYPE_CHECKING:
    from exchange.receipts import Receipt

JSON = Text("print JSON", "输出 JSON")
CODE = Text("only of this resource", "仅限该资源")
SYSTEM = Text("only of this subscriber", "仅限该使用方")
DAY = Text("only of this day, like 2026-11-28", "仅限该日，如 2026-11-28")
KEYS = Text(
    "the registry's public keys (JWKS), as `exchange certificate keys` prints them; kept elsewhere",
    "登记中心公钥（JWKS），由 `exchange certificate keys` 输出，应另行保存",
)
AS = Text("one's own system's TOML file: compares with the receipts in its topic", "本方系统的 TOML 文件：与其回执比对")
RECEIPTS = Text("one's own receipts, JSON lines, in place of the topic", "本方回执文件（JSON 行），代替回执主题")
OWN = Text("the client_id that the receipts file belongs to", "回执文件所属的 client_id")
COLUMNS = {
    "id": Text("id", "编号"),
    "day": Text("day", "日期"),
    "resource": Text("resource", "信息资源"),
    "client_id": Text("subscriber", "使用方"),
    "published": Text("published", "已发布"),
    "landed": Text("landed", "已落地"),
    "differences": Text("open differences", "未关闭差异"),
    "revision": Text("revision", "版次"),
}
VERIFIED = {
    "signature": Text("signature", "签名"),
    "resource": COLUMNS["resource"],
    "day": COLUMNS["day"],
    "receipts": Text("own receipts", "本方回执"),
}
FOUND = {
    "field": Text("field", "字段"),
    "certified": Text("certified", "凭证所载"),
    "own": Text("by one's own receipts", "按本方回执"),
}

Json = Annotated[bool, typer.Option("--json", help=JSON.format())]


class Contradicted(ExchangeError):
    """One side's own receipts say something else than the certificate."""

    code = "certificate_contradicted"
    exit_code = 7
    text = Text(
        "The certificate of {day} is signed, but one's own receipts differ in: {fields}",
        "{day} 的凭证签名有效，但与本方回执不一致：{fields}",
    )
    hint = Text(
        "A topic of receipts keeps 30 days; if yours are whole, show certificate and receipts to the node's auditor.",
        "回执主题保留 30 天；若本方回执完整，请将凭证与回执提交节点审计员。",
    )


def register(app: typer.Typer) -> None:
    """Add the group ``certificate`` to ``app``."""
    group = typer.Typer(help=Text("Daily certificates", "日凭证").format(), no_args_is_help=True)
    for name, command, text in (
        ("list", list_, Text("List certificates", "查询日凭证")),
        ("show", show, Text("Show a certificate, or keep it in a file", "查看或保存日凭证")),
        ("keys", keys, Text("Print the registry's public keys of certificates", "输出登记中心的凭证公钥")),
        ("verify", verify, Text("Verify a certificate, without the registry", "离线校验日凭证")),
    ):
        group.command(name, help=text.format())(command)
    app.add_typer(group, name="certificate")


def list_(
    resource: Annotated[str | None, typer.Option(help=CODE.format())] = None,
    system: Annotated[str | None, typer.Option(help=SYSTEM.format())] = None,
    day: Annotated[str | None, typer.Option(help=DAY.format())] = None,
    json: Json = False,
) -> None:
    """List the certificates of one's resources and grants."""
    with session.opened() as admin:
        output.emit(admin.certificates(resource, system, day), COLUMNS, json)


def show(
    certificate: Annotated[int, typer.Argument(metavar="CERTIFICATE", min=1)],
    file: Annotated[Path | None, typer.Option("--file", dir_okay=False)] = None,
    json: Json = False,
) -> None:
    """Show a certificate; with --file, keep it: that file is what `verify` takes."""
    with session.opened() as admin:
        found = admin.certificate(certificate)
    if file is not None:
        kept = {"jws": found["jws"], "certificate": found["certificate"]}
        file.write_text(jsons.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
    if json:
        output.emit_one(found, COLUMNS, True)
    else:
        output.emit_one({**found, **_flat(found["certificate"])}, {**COLUMNS, **_words(found["certificate"])}, False)


def keys() -> None:
    """Print the registry's public keys of certificates, as JWKS."""
    with session.opened() as admin:
        typer.echo(jsons.dumps(admin.certificate_keys(), indent=1))


def verify(
    file: Annotated[Path, typer.Argument(dir_okay=False)],
    keys: Annotated[Path, typer.Option("--keys", help=KEYS.format(), dir_okay=False)],
    system: Annotated[Path | None, typer.Option("--as", help=AS.format(), dir_okay=False)] = None,
    receipts: Annotated[Path | None, typer.Option("--receipts", help=RECEIPTS.format(), dir_okay=False)] = None,
    client_id: Annotated[str | None, typer.Option("--client-id", help=OWN.format())] = None,
    json: Json = False,
) -> None:
    """Verify a certificate's signature, and perhaps what it says by one's own receipts; exit code 7: it is not so."""
    from exchange.certificate import compare, read_json  # noqa: PLC0415 - `exchange --help` stays quick
    from exchange.certificate import verify as judge  # noqa: PLC0415

    known = read_json(keys).get("keys")
    said = judge(str(file), read_json(file), known if isinstance(known, list) else [])
    own = _own(system, receipts, client_id)
    findings = []
    if own is not None:
        who, mine = own
        try:
            findings = compare(said, mine, who)
        except ValueError as exc:
            neither = Text(f"{who} is neither side of the certificate", f"{who} 不是凭证的任何一方")
            raise SourceProblem(source=file, reason=neither) from exc
    agrees = None if own is None else not findings
    told: dict[str, Any] = {"signature": True, "resource": said["resource"], "day": said["day"], "receipts": agrees}
    told["findings"] = [{"field": each.field, "certified": each.certified, "own": each.own} for each in findings]
    output.emit_one(told, VERIFIED, json)
    if findings:
        if not json:
            output.emit(told["findings"], FOUND, as_json=False)
        raise Contradicted(day=said["day"], fields=", ".join(each.field for each in findings))


def _own(system: Path | None, file: Path | None, client_id: str | None) -> tuple[str, Iterator[Receipt]] | None:
    if file is not None:
        if client_id is None:
            raise typer.BadParameter(OWN.format(), param_hint="--client-id")
        return client_id, _from_file(file)
    return None if system is None else _from_topic(system)


def _from_file(file: Path) -> Iterator[Receipt]:
    from exchange.receipts import Receipt  # noqa: PLC0415

    read = 0
    try:
        with file.open("rb") as lines:
            for line in lines:
                read += 1
                yield Receipt.from_bytes(line)
    except (OSError, ValueError) as exc:
        raise SourceProblem(source=f"{file}:{read}", reason=Text("not a receipt", "不是回执")) from exc


def _from_topic(system: Path) -> tuple[str, Iterator[Receipt]]:
    from exchange.receipts_topic import own_receipts  # noqa: PLC0415

    return own_receipts(system)


def _flat(certificate: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in certificate.items() if not isinstance(value, (dict, list))}
    groups = [name for name, value in certificate.items() if isinstance(value, dict)]
    return plain | {f"{group}.{name}": value for group in groups for name, value in certificate[group].items()}


def _words(certificate: dict[str, Any]) -> dict[str, Text]:
    return {name: Text(name, name) for name in _flat(certificate) if name not in COLUMNS}
