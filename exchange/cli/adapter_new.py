"""``exchange adapter new``: asks what an adapter file needs, and writes one that works."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from exchange.cli import output
from exchange.cli.prompt import ask_secret
from exchange.errors import ConfigError, ExchangeError
from exchange.text import Text

if TYPE_CHECKING:
    from adapters.kinds import Kind
    from exchange.contract import Contract
    from exchange.items import Item

NEW = Text(
    "Write an adapter file; what is not given by an option is asked for", "新建适配器配置文件；未给出的选项将逐项询问"
)
FILE = Text("the file to be written", "要写入的配置文件")
SIDE = Text("source: publish; sink: land", "source 发布，sink 落地")
KIND = Text("which kind of source or sink", "数据源或目标的类型")
NAME = Text("name of the adapter: a-z, 0-9, -", "适配器名称：a-z、0-9、-")
RESOURCE = Text("code of the resource", "信息资源代码")
CLIENT_ID = Text("the system's client_id", "系统的 client_id")
SECRET_FILE = Text("file that holds the system's secret", "存放系统密钥的文件")
REGISTRY = Text("address of the registry", "登记中心地址")
SET = Text("key=value of [source] or [sink]; may be repeated", "[source] 或 [sink] 的 键=值，可重复")
COLUMN = Text("item=column where the names differ; may be repeated", "名称不同时的 信息项=列，可重复")
SCHEDULE = Text("when to run, as cron writes it", "运行时间（cron 格式）")
FORCE = Text("replace a file that is there", "覆盖已有文件")


def register(group: typer.Typer) -> None:
    """Add the command to the group ``adapter``."""
    group.command(help=NEW.format())(new)


@dataclass
class Answers:
    """What was answered, by option or by a person; ``ask`` is whether there is a person."""

    ask: bool
    given: Mapping[str, str | None]
    secrets: list[str] = field(default_factory=list)

    def get(self, option: str, question: Text, default: str | None = None, *, needed: bool = True) -> str | None:
        """Return an answer. Errors: ConfigError when none was given, nobody can be asked and there is no default."""
        value = self.given.get(option)
        if value is not None:
            return value
        if self.ask:
            shown = default if default is not None else (None if needed else "")
            return str(typer.prompt(question.format(), default=shown)) or None
        if needed and default is None:
            raise ConfigError(
                file="exchange adapter new",
                key=f"--{option}",
                expected=question,
                found=Text("nothing, and no terminal to ask on", "空缺，且没有可询问的终端"),
                example=f"--{option} …",
            )
        return default


def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=FILE.format(), dir_okay=False)],
    side: Annotated[Literal["source", "sink"] | None, typer.Option("--side", help=SIDE.format())] = None,
    kind: Annotated[str | None, typer.Option("--kind", help=KIND.format())] = None,
    name: Annotated[str | None, typer.Option("--name", help=NAME.format())] = None,
    resource: Annotated[str | None, typer.Option("--resource", help=RESOURCE.format())] = None,
    client_id: Annotated[str | None, typer.Option("--client-id", help=CLIENT_ID.format())] = None,
    secret_file: Annotated[Path | None, typer.Option("--secret-file", help=SECRET_FILE.format())] = None,
    registry: Annotated[str | None, typer.Option("--registry", help=REGISTRY.format())] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help=SET.format())] = None,
    columns: Annotated[list[str] | None, typer.Option("--column", help=COLUMN.format())] = None,
    schedule: Annotated[str | None, typer.Option("--schedule", help=SCHEDULE.format())] = None,
    force: Annotated[bool, typer.Option("--force", help=FORCE.format())] = False,
) -> None:
    """Write FILE, after it was read as ``run`` would read it; the registry is asked for the items if it answers."""
    if file.exists() and not force:
        raise ConfigError(file=file, key="-", expected=_ABSENT, found=_THERE, example="--force")
    given = {
        "side": side,
        "kind": kind,
        "name": name,
        "resource": resource,
        "client-id": client_id,
        "secret-file": None if secret_file is None else str(secret_file),
        "registry": registry,
    }
    answers = Answers(sys.stdin.isatty(), given)
    tables = _common(answers, file)
    if schedule is not None:
        tables["adapter"]["schedule"] = schedule
    part = str(answers.get("side", SIDE, "source"))
    tables[part] = _part(answers, part, _pairs(settings or [], "--set"))
    contract = _written(file, part, tables, _pairs(columns or [], "--column"), answers)
    if contract is None:
        output.say(_NO_ITEMS)
    output.say(Text(f"written; next: exchange adapter check {file}", f"已写入；下一步：exchange adapter check {file}"))


def _common(answers: Answers, file: Path) -> dict[str, dict[str, Any]]:
    name = answers.get("name", NAME, file.stem.lower().replace("_", "-"))
    resource = answers.get("resource", RESOURCE)
    client_id = answers.get("client-id", CLIENT_ID)
    secret = answers.get("secret-file", SECRET_FILE, f"{client_id}.secret")
    url = answers.get("registry", REGISTRY, "http://127.0.0.1:8440")
    _secret(answers, file, Path(str(secret)))
    return {
        "adapter": {"name": name, "resource": resource},
        "identity": {"client_id": client_id, "secret_file": _from(file, str(secret))},
        "registry": {"url": url},
    }


def _part(answers: Answers, side: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys of ``[source]`` or ``[sink]``: those of the kind's example are asked for."""
    from tomllib import loads  # noqa: PLC0415

    from adapters import kinds  # noqa: PLC0415 - `exchange --help` stays quick

    if side not in ("source", "sink"):
        raise ConfigError(file="-", key="--side", expected="source | sink", found=repr(side), example="--side source")
    names = kinds.names("source" if side == "source" else "sink")
    kind_name = str(answers.get("kind", Text(f"kind: {', '.join(names)}", f"类型：{'、'.join(names)}"), names[0]))
    kind = kinds.find("source" if side == "source" else "sink", kind_name, "exchange adapter new")
    example: Mapping[str, Any] = loads(kind.spec.example)[side]
    values: dict[str, Any] = {"kind": kind_name}
    for key, shown in example.items():
        if key == "kind" or key in given or not (answers.ask or _needed(kind, key)):
            continue
        answer = answers.get(f"set {key}=", _question(kind, key), str(shown) if answers.ask else None)
        if answer is not None:
            values[key] = _typed(answer)
    return values | {key: _typed(value) for key, value in given.items()}


def _written(
    file: Path, side: str, tables: dict[str, dict[str, Any]], columns: Mapping[str, str], answers: Answers
) -> Contract | None:
    """Put the file in its place once it can be read; an adapter file never stands there half."""
    from adapters.config import read_adapter  # noqa: PLC0415

    draft = file.with_name(f".{file.name}.new")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.write_text(_toml(tables, columns, None, side), encoding="utf-8")
        config = read_adapter(draft)
        contract = _contract(config.settings)
        if contract is not None:
            asked = _columns(answers, contract.items, columns)
            draft.write_text(_toml(tables, asked, contract, side), encoding="utf-8")
            read_adapter(draft).stream(contract)
        draft.replace(file)
    except ConfigError as exc:
        facts = {**exc.facts, "file": file} if str(exc.facts.get("file")) == str(draft) else exc.facts
        raise ConfigError(**facts) from exc
    finally:
        draft.unlink(missing_ok=True)
    return contract


def _contract(settings: Any) -> Contract | None:
    """Return the resource as the registry knows it; without a registry the file is written all the same."""
    from exchange.registry_client import RegistryClient  # noqa: PLC0415

    registry = RegistryClient(settings.registry, settings.identity)
    try:
        return registry.contract(settings.adapter.resource)
    except ExchangeError as exc:
        output.fail(exc)
        return None
    finally:
        registry.close()


def _columns(answers: Answers, items: Sequence[Item], given: Mapping[str, str]) -> dict[str, str]:
    columns = dict(given)
    for item in items:
        if answers.ask and item.name not in columns:
            label = Text(f"column of {item.name} ({item.label})", f"{item.name}（{item.label}）对应的列")
            answer = str(answers.get(f"column {item.name}=", label, item.name))
            if answer != item.name:
                columns[item.name] = answer
    return columns


def _toml(
    tables: Mapping[str, Mapping[str, Any]], columns: Mapping[str, str], contract: Contract | None, side: str
) -> str:
    lines: list[str] = []
    for table, keys in tables.items():
        lines += [f"[{table}]", *[f"{key} = {_value(value)}" for key, value in keys.items()], ""]
    if columns or contract:
        lines.append("[adapter.columns]")
    lines += [f"{item} = {_value(column)}" for item, column in columns.items()]
    for item in contract.items if contract else ():
        if item.name not in columns:
            key = ", key" if item.primary_key else ""
            lines.append(
                f'# {item.name} = "{item.name}"  # {_comment(item.label)}: {item.type}{item.length or ""}{key}'
            )
    if side == "source":
        lines += ["", "# [mapping.…] and [quality.…]: see docs/mapping.md"]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _value(value: Any) -> str:
    """JSON's texts, numbers and booleans are TOML's, but for U+007F."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _typed(text: str) -> Any:
    """Return ``text`` as TOML reads it where it is a number, a boolean, a list or quoted; else the text itself."""
    from tomllib import TOMLDecodeError, loads  # noqa: PLC0415

    try:
        found = loads(f"x = {text}")
    except TOMLDecodeError:
        return text
    value = found["x"] if found.keys() == {"x"} else text
    return value if isinstance(value, str | int | float | bool | list) else text


def _needed(kind: Kind, key: str) -> bool:
    known = kind.config.model_fields.get(key)
    return known is not None and known.is_required()


def _question(kind: Kind, key: str) -> Text:
    known = kind.config.model_fields.get(key) or kind.config.model_fields.get(key.removesuffix("_file"))
    said = f"{key}: {known.description}" if known else key
    return Text(said, said)


def _secret(answers: Answers, file: Path, secret: Path) -> None:
    """Ask for the secret where its file is not there yet, without showing it; the file is the owner's alone."""
    path = file.parent / _from(file, str(secret))
    if path.exists() or not answers.ask:
        return
    text = ask_secret(Text("the secret (not shown)", "密钥（不回显）"))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text)


def _from(file: Path, secret: str) -> str:
    """Paths in an adapter file are relative to it, those of an option to where the command runs."""
    path = Path(secret)
    return secret if path.is_absolute() else os.path.relpath(path, file.parent)


def _pairs(given: Sequence[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in given:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise ConfigError(
                file="exchange adapter new", key=option, expected="key=value", found=repr(pair), example=f"{option} a=b"
            )
        pairs[key.strip()] = value
    return pairs


_ABSENT = Text("a file that is not there yet", "尚不存在的文件")
_THERE = Text("a file", "已有文件")
_NO_ITEMS = Text(
    "The registry could not name the items; fill [adapter.columns] where names differ.",
    "未能从登记中心取得信息项；名称不同时请填写 [adapter.columns]。",
)
