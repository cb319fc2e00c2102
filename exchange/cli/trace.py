"""``exchange trace``: where a record came from, and everyone who received it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from exchange.cli import output, session
from exchange.errors import ConfigError
from exchange.text import Text

HELP = Text("Trace a record: its source, and who received it", "数据溯源：来源与全部接收方")
KEY = Text(
    "the primary key's values, in item order; `-` reads them from standard input, a line each, so that a citizen's "
    "number stands in no history of commands",
    "主键各项的值；`-` 表示从标准输入逐行读取，避免公民信息留在命令历史中",
)
CODE = Text("the resource's code", "资源代码")
BATCH = Text("a batch, in place of a key", "按批次查询，代替键值")
JSON = Text("print JSON", "输出 JSON")
NEITHER = Text("a key, or --batch", "键值或 --batch")
VIEWS = {
    "owner": Text("all receivers", "全部接收方"),
    "receiver": Text("only what your systems landed", "仅本方落地情况"),
    "metadata": Text("by batch, without keys", "仅批次元数据"),
}
GAPS = {
    "not_found": Text(
        "the topic has no such record for you: never published, deleted, or not landed by you",
        "主题中无此记录：未发布、已删除，或本方未落地",
    ),
    "compacted": Text(
        "what the key held before may be compacted away, and then nobody can say who received that",
        "该键的历史值可能已被压缩清除，其接收方无从得知",
    ),
    "not_all_read": Text("the topic was too long to be read whole", "主题过长，未能全部读取"),
    "no_batch": Text("the record carries no batch", "记录不含批次号"),
    "no_publication": Text("no receipt tells who published the batch", "无发布回执，无法得知发布方"),
    "no_landing": Text("no receipt tells that it landed", "无落地回执"),
    "too_many": Text("there are more receipts than are shown", "回执过多，未全部列出"),
}
HEAD = {
    "resource": Text("resource", "信息资源"),
    "name": Text("name", "名称"),
    "path": Text("nodes", "节点路径"),
    "view": Text("shown", "可见范围"),
}
TRAIL = {
    "batch": Text("batch", "批次"),
    "place": Text("partition:offset", "分区:偏移"),
    "written_at": Text("written", "写入时间"),
    "deleted": Text("a delete", "为删除"),
    "schema": Text("schema version", "模式版本"),
    "source": Text("source system", "来源系统"),
    "department": Text("department", "部门"),
    "adapter": Text("adapter", "适配器"),
    "published_at": Text("published", "发布时间"),
    "signed": Text("receipt signed", "回执已签名"),
    "waiting": Text("granted, not landed", "已授权未落地"),
}
RECEIVERS = {
    "client_id": Text("received by", "接收方"),
    "department": TRAIL["department"],
    "landed_at": Text("landed", "落地时间"),
    "grant_id": Text("grant", "授权"),
    "grant_state": Text("state now", "授权现状"),
    "adapter": TRAIL["adapter"],
    "signed": TRAIL["signed"],
}

Keys = Annotated[list[str] | None, typer.Argument(metavar="KEY...", help=KEY.format())]
Code = Annotated[str, typer.Option("--resource", help=CODE.format())]
Batch = Annotated[str | None, typer.Option("--batch", help=BATCH.format())]
Json = Annotated[bool, typer.Option("--json", help=JSON.format())]


def register(app: typer.Typer) -> None:
    """Add the command ``trace`` to ``app``."""
    app.command("trace", help=HELP.format())(trace)


def trace(resource: Code, key: Keys = None, batch: Batch = None, json: Json = False) -> None:
    """Tell where a record came from, and who received it."""
    parts = sys.stdin.read().splitlines() if key == ["-"] else key
    if bool(parts) == bool(batch):
        example = 'exchange trace 440000001001 --resource "307440000/000001"'
        raise ConfigError(file="exchange trace", key="KEY", expected=NEITHER, found="-", example=example)
    with session.opened() as admin:
        found = admin.trace(resource, batch=batch) if batch else admin.trace(resource, key=parts)
    if json:
        output.emit_one(found, HEAD, as_json=True)
        return
    way = " → ".join(f"{node['name']} {node['division']}".strip() for node in found["path"])
    output.emit_one({**found, "path": way, "view": VIEWS[found["view"]]}, HEAD, as_json=False)
    for each in found["trails"]:
        typer.echo()
        output.emit_one(_trail(each), TRAIL, as_json=False)
        output.emit(each["receivers"], RECEIVERS, as_json=False)
        _tell(each["gaps"])
    _tell(found["gaps"])


def _trail(each: Mapping[str, Any]) -> dict[str, Any]:
    record, source = each["record"] or {}, each["source"] or {}
    place = f"{record['partition']}:{record['offset']}" if record else None
    schema = each["schema_version"] or (f"id {each['schema_id']}" if each["schema_id"] else None)
    waiting = ", ".join(each["waiting"])
    return {**record, **source, "batch": each["batch"], "place": place, "schema": schema, "waiting": waiting} | {
        "source": source.get("client_id")
    }


def _tell(gaps: list[str]) -> None:
    for gap in gaps:
        output.say(Text(f"· {GAPS[gap].en}", f"· {GAPS[gap].zh}"))
