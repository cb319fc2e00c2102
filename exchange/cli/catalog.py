"""``exchange catalog``: finding, describing and publishing resources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.cli import output, session
from exchange.errors import ConfigError, ExchangeError
from exchange.text import Text

JSON = Text("print JSON", "输出 JSON")
FILE_OUT = Text("the file to write; .xlsx or .csv", "写入的文件；.xlsx 或 .csv")
COLUMNS = {
    "code": Text("code", "信息资源代码"),
    "name": Text("name", "名称"),
    "department": Text("department", "提供方"),
    "sharing_type": Text("sharing", "共享类型"),
    "level": Text("level", "敏感级别"),
    "lifecycle": Text("lifecycle", "状态"),
    "freshness": Text("freshness", "更新情况"),
    "quality": Text("quality", "数据质量"),
}
FACTS = COLUMNS | {
    "summary": Text("summary", "摘要"),
    "provider_code": Text("provider's code", "提供方代码"),
    "source_system": Text("source system", "来源系统"),
    "classification": Text("class", "所属分类"),
    "sharing_condition": Text("sharing condition", "共享条件"),
    "sharing_method": Text("sharing method", "共享方式"),
    "format_kind": Text("format", "格式"),
    "open": Text("open to the public", "向社会开放"),
    "update_cycle": Text("update cycle", "更新周期"),
    "version": Text("version", "版本"),
    "published_at": Text("published", "发布时间"),
    "last_data_at": Text("newest data", "最近更新"),
    "kept": Text("freshness kept, 30 days", "近 30 天更新及时率"),
    "topic": Text("topic", "主题"),
}
ITEMS = {
    "name": Text("item", "信息项"),
    "label": Text("label", "名称"),
    "type": Text("type", "类型"),
    "length": Text("length", "长度"),
    "primary_key": Text("key", "主键"),
    "required": Text("required", "必填"),
    "sensitivity": Text("level", "敏感级别"),
}
MOVED = {
    "code": COLUMNS["code"],
    "lifecycle": COLUMNS["lifecycle"],
    "version": FACTS["version"],
    "enforced": Text("at the broker", "消息服务已生效"),
}
REGISTERED = {"code": COLUMNS["code"], "name": COLUMNS["name"], "lifecycle": COLUMNS["lifecycle"]}
CODES = {"code": Text("code", "代码"), "en": Text("English", "英文"), "zh": Text("Chinese", "中文")}
CLASHES = {
    "resource": Text("resource", "信息资源"),
    "name": COLUMNS["name"],
    "department": COLUMNS["department"],
    "similarity": Text("alike", "相似度"),
}
CHANGES = {"text": Text("change", "变更")}
CELLS = {
    "sheet": Text("sheet", "工作表"),
    "row": Text("row", "行"),
    "column": Text("column", "列"),
    "header": Text("header", "列名"),
    "reason": Text("reason", "原因"),
}
COUNTS = {
    "applied": Text("kept", "已入库"),
    "added": Text("added", "新增"),
    "changed": Text("changed", "变更"),
    "unchanged": Text("unchanged", "未变"),
    "refused": Text("refused", "拒收"),
    "fault_count": Text("faulty cells", "错误单元格"),
}

Json = Annotated[bool, typer.Option("--json", help=JSON.format())]
Code = Annotated[str, typer.Argument(metavar="CODE")]
Out = Annotated[Path, typer.Argument(metavar="FILE", help=FILE_OUT.format(), dir_okay=False)]


class FaultyFile(ExchangeError):
    """A file has faulty cells."""

    code = "faulty_file"
    exit_code = 5
    text = Text("{count} cells are faulty", "有 {count} 个单元格错误")
    hint = Text("Correct them and send the file again.", "请更正后重新导入。")


def register(app: typer.Typer) -> None:
    """Add the group ``catalog`` to ``app``."""
    group = typer.Typer(help=Text("The catalogue of resources", "信息资源目录").format(), no_args_is_help=True)
    for name, command, text in (
        ("search", search, Text("Find resources", "检索信息资源")),
        ("show", show, Text("Show a resource with its items", "显示信息资源及信息项")),
        ("clashes", clashes, Text("Show who registers the same items", "查看一数一源冲突")),
        ("diff", diff, Text("Show what differs between two versions", "比较两个版本")),
        ("submit", submit, Text("Submit a draft", "提交草稿")),
        ("return", send_back, Text("Send a submitted resource back", "退回已提交的资源")),
        ("publish", publish, Text("Publish a draft or a change", "发布草稿或变更")),
        ("withdraw", withdraw, Text("Withdraw a resource", "撤销信息资源")),
        ("remove", remove, Text("Delete a draft that was never published", "删除未发布的草稿")),
        ("import", take_in, Text("Register resources from a file", "由文件批量登记")),
        ("export", export, Text("Write resources to a file", "导出信息资源")),
        ("dcat", dcat, Text("Write the published catalogue as DCAT", "以 DCAT 导出已发布目录")),
        ("lists", lists, Text("Show or write one of the three lists", "查看或导出三清单")),
        ("codes", codes, Text("Show code tables", "查看代码表")),
        ("tree", tree, Text("Show the directory tree", "查看分类目录")),
        ("classify", classify, Text("Add a class to the tree, or name one anew", "新增分类或更名")),
        ("unclassify", unclassify, Text("Remove a class that nothing is in", "删除空分类")),
        ("base", base, Text("Show base libraries, or register one as a draft", "查看基础库，或登记为草稿")),
    ):
        group.command(name, help=text.format())(command)
    app.add_typer(group, name="catalog")


def search(
    words: Annotated[str | None, typer.Argument(metavar="[WORDS]")] = None,
    tier: Annotated[str | None, typer.Option(help="province, city, county")] = None,
    division: Annotated[str | None, typer.Option()] = None,
    department: Annotated[int | None, typer.Option(min=1)] = None,
    classification: Annotated[str | None, typer.Option("--class")] = None,
    sharing_type: Annotated[int | None, typer.Option(min=1, max=3)] = None,
    level: Annotated[int | None, typer.Option(min=1, max=4)] = None,
    lifecycle: Annotated[str | None, typer.Option()] = None,
    freshness: Annotated[str | None, typer.Option(help="fresh, stale, never, unbound")] = None,
    sort: Annotated[
        str | None, typer.Option(help="code, name, published_at, last_data_at, quality, kept; -: falling")
    ] = None,
    quality_below: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    kept_below: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    json: Json = False,
) -> None:
    """Find resources."""
    wanted = {"tier": tier, "division": division, "department": department, "classification": classification}
    more = {"sharing_type": sharing_type, "level": level, "lifecycle": lifecycle, "freshness": freshness}
    worse = {"quality_below": quality_below, "kept_below": kept_below}
    with session.opened() as admin:
        found = admin.get("resources", q=words, sort=sort, limit=limit, **wanted, **more, **worse)
        output.emit(found["items"] if json else [_shares(row) for row in found["items"]], COLUMNS, json)


def show(code: Code, json: Json = False) -> None:
    """Show a resource with its items."""
    with session.opened() as admin:
        found = admin.resource(code)
    output.emit_one(found if json else _shares(found), FACTS, json)
    if not json:
        output.emit(found["items"], ITEMS, False)


def clashes(code: Code, json: Json = False) -> None:
    """Show other departments' resources that hold the same items (一数一源)."""
    with session.opened() as admin:
        output.emit(admin.clashes(code), CLASHES, json)


def diff(
    code: Code,
    before: Annotated[int | None, typer.Option(min=1)] = None,
    after: Annotated[int | None, typer.Option(min=1)] = None,
    json: Json = False,
) -> None:
    """Show what differs between two versions."""
    with session.opened() as admin:
        output.emit(admin.differences(code, before, after)["changes"], CHANGES, json)


def submit(code: Code, json: Json = False) -> None:
    """Submit a draft."""
    with session.opened() as admin:
        output.emit_one(admin.submit_resource(code), REGISTERED, json)


def send_back(code: Code, reason: Annotated[str, typer.Option()], json: Json = False) -> None:
    """Send a submitted resource back."""
    with session.opened() as admin:
        output.emit_one(admin.return_resource(code, reason), REGISTERED, json)


def publish(code: Code, json: Json = False) -> None:
    """Publish a draft or a change."""
    with session.opened() as admin:
        output.emit_one(admin.publish_resource(code), MOVED, json)


def withdraw(code: Code, json: Json = False) -> None:
    """Withdraw a resource."""
    with session.opened() as admin:
        output.emit_one(admin.withdraw_resource(code), MOVED, json)


def remove(code: Code) -> None:
    """Delete a draft that was never published; what was published is withdrawn instead."""
    with session.opened() as admin:
        admin.remove_resource(code)


def take_in(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False)],
    partly: Annotated[
        bool,
        typer.Option("--partly", help=Text("keep what is sound although others are faulty", "部分入库").format()),
    ] = False,
    trial: Annotated[
        bool, typer.Option("--trial", help=Text("keep nothing, only tell", "仅检查，不入库").format())
    ] = False,
    json: Json = False,
) -> None:
    """Register resources from a file; exit code 5 when a cell is faulty."""
    form = _format(file)
    with session.opened() as admin:
        report = admin.import_catalogue(_content(file), form, partly=partly, trial=trial)
    counted = {name: len(value) if isinstance(value, list) else value for name, value in report.items()}
    output.emit_one(report if json else counted, COUNTS, json)
    if not json:
        output.emit(report["faults"], CELLS, False)
        _warn(report["warnings"])
    if report["fault_count"]:
        raise FaultyFile(count=report["fault_count"])


def export(
    file: Out,
    words: Annotated[str | None, typer.Option("--words")] = None,
    department: Annotated[int | None, typer.Option(min=1)] = None,
    division: Annotated[str | None, typer.Option()] = None,
    lifecycle: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Write resources to a file that `import` reads again."""
    wanted = {"q": words, "department": department, "division": division, "lifecycle": lifecycle}
    with session.opened() as admin:
        _write(file, admin.export_catalogue(_format(file), **wanted))


def dcat(file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False)]) -> None:
    """Write the published catalogue as DCAT (JSON-LD)."""
    from json import dumps  # noqa: PLC0415 - `exchange --help` stays quick

    with session.opened() as admin:
        _write(file, dumps(admin.dcat(), ensure_ascii=False, indent=1).encode())


def lists(
    kind: Annotated[str, typer.Argument(help="resources, demands, duties")],
    file: Annotated[Path | None, typer.Option("--file", help=FILE_OUT.format(), dir_okay=False)] = None,
    department: Annotated[int | None, typer.Option(min=1)] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 100,
    json: Json = False,
) -> None:
    """Show one of the three lists, or write all of it to a file."""
    with session.opened() as admin:
        if file is not None:
            _write(file, admin.export_list(kind, _format(file), department))
            return
        found = admin.get(f"lists/{kind}", department=department, limit=limit)
    output.emit(found["items"], {name: Text(label, label) for name, label in found["columns"].items()}, json)


def codes(table: Annotated[str | None, typer.Argument(metavar="[TABLE]")] = None, json: Json = False) -> None:
    """Show all code tables' names, or one table's codes."""
    with session.opened() as admin:
        if table is None:
            names = [{"code": each["name"], "en": each["en"], "zh": each["zh"]} for each in admin.get("codes")]
            output.emit(names, CODES, json)
        else:
            output.emit(admin.get(f"codes/{table}")["codes"], CODES, json)


def tree(parent: Annotated[str | None, typer.Argument(metavar="[CLASS]")] = None, json: Json = False) -> None:
    """Show the directory tree, or what is right below a class."""
    with session.opened() as admin:
        output.emit(admin.every("classifications", parent=parent), CODES, json)


def classify(
    code: Annotated[str, typer.Argument(metavar="CLASS")],
    en: Annotated[str, typer.Option("--en", help=CODES["en"].format())],
    zh: Annotated[str, typer.Option("--zh", help=CODES["zh"].format())],
    json: Json = False,
) -> None:
    """Add a class below the nearest one that is there, or name one anew."""
    with session.opened() as admin:
        output.emit_one(admin.put_classification(code, en, zh), CODES, json)


def unclassify(code: Annotated[str, typer.Argument(metavar="CLASS")]) -> None:
    """Remove a class that nothing is in."""
    with session.opened() as admin:
        admin.remove_classification(code)


def base(
    library: Annotated[str | None, typer.Argument(metavar="[LIBRARY]")] = None,
    source: Annotated[str | None, typer.Option(help=Text("client_id of its source", "来源系统").format())] = None,
    json: Json = False,
) -> None:
    """Show the base libraries; with a library and its source, register it as a draft."""
    from schemas.library import libraries  # noqa: PLC0415 - `exchange --help` stays quick

    if library is None:
        output.emit([{"code": each.code, "en": each.en, "zh": each.zh} for each in libraries().values()], CODES, json)
        return
    found = libraries().get(library)
    if found is None or source is None:
        raise _expected(
            "LIBRARY, --source", f"{', '.join(libraries())}; client_id", str(library), "rk --source 440000-rk"
        )
    with session.opened() as admin:
        made = admin.add_base_library(found, source)
    output.emit_one(made, REGISTERED, json)
    if not json:
        _warn(made["warnings"])


def _warn(warnings: list[dict[str, Any]]) -> None:
    for warning in warnings:
        output.say(Text(f"! {warning['message']}", f"！{warning['message']}"))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise _expected(str(file), "a readable file", exc.strerror or "-", "catalogue.xlsx") from exc


def _write(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    output.say(Text(f"{file}: {len(data)} bytes", f"{file}：{len(data)} 字节"))


def _format(file: Path) -> str:
    form = file.suffix.lower().removeprefix(".")
    if form not in ("xlsx", "csv"):
        raise _expected(str(file), ".xlsx, .csv", file.suffix or "-", "catalogue.xlsx")
    return form


def _expected(key: str, expected: str, found: str, example: str) -> ConfigError:
    return ConfigError(file="-", key=key, expected=expected, found=found, example=example)


def _shares(found: dict[str, Any]) -> dict[str, Any]:
    return found | {name: f"{found[name]:.1%}" for name in ("quality", "kept") if found[name] is not None}
