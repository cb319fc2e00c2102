"""The columns of a catalogue as a table: one row an item; the resource stands in the first of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from exchange.text import Text

Kind = Literal["text", "list", "yes", "number", "told"]
SHEET = Text("catalogue", "信息资源目录")


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``table``: the code table of its values. ``told``: written for people, and not read back."""

    field: str
    label: Text
    kind: Kind = "text"
    table: str | None = None
    of_item: bool = False


RESOURCE = (
    Column("code", Text("code", "信息资源代码")),
    Column("classification", Text("classification", "所属分类")),
    Column("name", Text("name", "信息资源名称")),
    Column("department", Text("provider", "信息资源提供方"), "told"),
    Column("provider_code", Text("provider's code", "提供方代码"), "told"),
    Column("summary", Text("summary", "信息资源摘要")),
    Column("source_system", Text("source system", "来源系统")),
    Column("format_kind", Text("format, kind", "信息资源格式分类"), table="format_kind"),
    Column("format_type", Text("format, type", "信息资源格式类型"), table="format_type"),
    Column("sharing_type", Text("sharing type", "共享类型"), table="sharing_type"),
    Column("sharing_condition", Text("sharing condition", "共享条件")),
    Column("sharing_method", Text("sharing method", "共享方式"), table="sharing_method"),
    Column("open", Text("open to the public", "是否向社会开放"), "yes"),
    Column("open_condition", Text("condition of opening", "开放条件")),
    Column("update_cycle", Text("update cycle", "更新周期"), table="update_cycle"),
    Column("published_at", Text("publication", "发布日期"), "told"),
    Column("related", Text("related resources", "关联资源代码"), "list"),
    Column("service_items", Text("service items", "关联事项"), "list"),
    Column("timestamp_column", Text("timestamp column", "时间戳信息项")),
    Column("load", Text("full or incremental", "提供方式"), table="load"),
    Column("physical_deletes", Text("physical deletes", "是否物理删除"), "yes"),
    Column("partitions", Text("partitions", "分区数"), "number"),
    Column("lifecycle", Text("lifecycle", "目录状态"), "told"),
)
ITEM = (
    Column("name", Text("item", "信息项英文名"), of_item=True),
    Column("label", Text("item's label", "信息项名称"), of_item=True),
    Column("type", Text("item's type", "数据类型"), table="item_type", of_item=True),
    Column("length", Text("length", "数据长度"), "number", of_item=True),
    Column("scale", Text("scale", "小数位数"), "number", of_item=True),
    Column("required", Text("required", "是否必填"), "yes", of_item=True),
    Column("primary_key", Text("primary key", "是否主键"), "yes", of_item=True),
    Column("sensitivity", Text("sensitivity", "敏感级别"), table="sensitivity", of_item=True),
    Column("sharing_type", Text("item's sharing type", "信息项共享类型"), table="sharing_type", of_item=True),
    Column("check", Text("check", "校验规则"), of_item=True),
    Column("mask", Text("mask", "脱敏方式"), table="mask", of_item=True),
)
COLUMNS = RESOURCE + ITEM
NEEDED = ("name", "summary", "source_system", "sharing_type", "update_cycle")
NEEDED_OF_ITEM = ("name", "label", "type")


def column_of(header: str) -> Column | None:
    """Return the column with this header, in either language."""
    word = header.strip().rstrip("*").strip().lower()
    return next((each for each in COLUMNS if word in (each.label.zh.lower(), each.label.en.lower())), None)


def letter(position: int) -> str:
    """Return the name that a spreadsheet gives the column at ``position`` (0 is A)."""
    name, rest = "", position + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        name = chr(ord("A") + digit) + name
    return name
