"""What differs between two versions of a resource, in words that people read. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from exchange.text import Lang, Text
from registry.catalogue import codes

Kind = Literal["added", "removed", "changed"]

NAMES = {
    "name": Text("name", "信息资源名称"),
    "summary": Text("summary", "信息资源摘要"),
    "source_system": Text("source system", "来源系统"),
    "sharing_type": Text("sharing type", "共享类型"),
    "sharing_condition": Text("sharing condition", "共享条件"),
    "sharing_method": Text("sharing method", "共享方式"),
    "update_cycle": Text("update cycle", "更新周期"),
    "format_kind": Text("format, kind", "信息资源格式分类"),
    "format_type": Text("format, type", "信息资源格式类型"),
    "open": Text("open to the public", "是否向社会开放"),
    "open_condition": Text("condition of opening", "开放条件"),
    "related": Text("related resources", "关联资源代码"),
    "service_items": Text("service items", "关联事项"),
    "timestamp_column": Text("timestamp column", "时间戳信息项"),
    "load": Text("full or incremental", "提供方式"),
    "physical_deletes": Text("physical deletes", "是否物理删除"),
}
ITEM_NAMES = {
    "label": Text("label", "名称"),
    "type": Text("type", "类型"),
    "length": Text("length", "长度"),
    "scale": Text("scale", "小数位数"),
    "required": Text("required", "必填"),
    "primary_key": Text("primary key", "主键"),
    "sensitivity": Text("sensitivity", "敏感级别"),
    "sharing_type": Text("sharing type", "共享类型"),
    "check": Text("check", "校验规则"),
    "mask": Text("mask", "脱敏方式"),
}
LINES: dict[Kind, Text] = {
    "added": Text("{what} was added: {after}", "新增{what}：{after}"),
    "removed": Text("{what} was removed: {before}", "删除{what}：{before}"),
    "changed": Text("{what}: {before} became {after}", "{what}由“{before}”改为“{after}”"),
}
ITEM = Text("item {name}", "信息项 {name} ")
OF_ITEM = Text("{field} of item {name}", "信息项 {name} 的{field}")
YES, NO, NOTHING = Text("yes", "是"), Text("no", "否"), Text("nothing", "无")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; ``item`` is None for one of the description. ``before`` and ``after`` are values as JSON."""

    kind: Kind
    item: str | None
    field: str | None
    before: Any
    after: Any

    def line(self, lang: Lang | None = None) -> str:
        """Return the difference as one line."""
        return LINES[self.kind].format(
            lang, what=self._what(), before=self._word("before", lang), after=self._word("after", lang)
        )

    def _what(self) -> Text:
        names = NAMES if self.item is None else ITEM_NAMES
        field = names.get(self.field or "", Text(self.field or "", self.field or ""))
        if self.item is None:
            return field
        parts = {"name": self.item, "field": field}
        form = ITEM if self.field is None else OF_ITEM
        return Text(form.format("en", **parts), form.format("zh", **parts))

    def _word(self, side: Literal["before", "after"], lang: Lang | None) -> str:
        value = self.before if side == "before" else self.after
        if self.field is None:
            return str(value["label"]) if value else ""
        table = "item_type" if self.field == "type" else self.field
        if value is None or value in ("", []):
            return NOTHING.format(lang)
        if isinstance(value, bool):
            return (YES if value else NO).format(lang)
        if isinstance(value, list):
            return ", ".join(str(part) for part in value)
        return codes.tables()[table].label_of(value, lang) if table in codes.tables() else str(value)


def differences(
    before: tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]],
    after: tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]],
) -> list[Change]:
    """Return what differs between two versions, each its details and its items: first the details, then the items."""
    found = [
        Change("changed", None, name, before[0].get(name), after[0].get(name))
        for name in NAMES
        if name in before[0] and name in after[0] and before[0][name] != after[0][name]
    ]
    old, new = ({str(item["name"]): item for item in side[1]} for side in (before, after))
    found += [Change("removed", name, None, item, None) for name, item in old.items() if name not in new]
    found += [Change("added", name, None, None, item) for name, item in new.items() if name not in old]
    for name in (name for name in old if name in new):
        found += [
            Change("changed", name, field, old[name].get(field), new[name].get(field))
            for field in ITEM_NAMES
            if old[name].get(field) != new[name].get(field)
        ]
    return found
