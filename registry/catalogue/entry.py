"""A catalogue entry as its department describes it, and the obligations of the guide. Pure values and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from exchange.items import Item
from exchange.text import Text
from registry.catalogue import codes, resource_code
from registry.catalogue.domain import SharingType, UpdateCycle, check_items, check_sharing
from registry.errors import Invalid

MOST_RELATED, MOST_SERVICES = 20, 50
FIRST_ONLY = ("code", "classification", "partitions", "items")  # not part of the description


@dataclass(frozen=True, slots=True)
class Entry:
    """A catalogue entry: all items of the guide, and what the exchange needs beyond it.

    Either ``code`` is given, or ``classification``, in which the next code is made. ``open``: 是否向社会开放;
    ``related``: codes of other resources; ``service_items``: 事项 that use it; ``load``: full or incremental;
    ``physical_deletes``: whether a row that is gone from the source was deleted.
    """

    name: str
    summary: str
    source_system: str
    sharing_type: SharingType
    update_cycle: UpdateCycle
    items: tuple[Item, ...]
    code: str | None = None
    classification: str | None = None
    sharing_condition: str | None = None
    sharing_method: str | None = "platform"
    format_kind: str = "database"
    format_type: str = "other"
    open: bool = False
    open_condition: str | None = None
    related: tuple[str, ...] = ()
    service_items: tuple[str, ...] = ()
    timestamp_column: str | None = None
    load: str = "full"
    physical_deletes: bool = False
    partitions: int = 1

    @property
    def level(self) -> int:
        """The highest sensitivity of the items."""
        return max((item.sensitivity for item in self.items), default=1)

    def details(self) -> dict[str, Any]:
        """Return the description as JSON: what a version keeps beside the items."""
        found: dict[str, Any] = {}
        for name in DETAILS:
            value = getattr(self, name)
            found[name] = list(value) if isinstance(value, tuple) else value
        return found | {"sharing_type": int(self.sharing_type), "update_cycle": self.update_cycle.value}

    def described(self, changes: Mapping[str, Any]) -> Entry:
        """Return the entry with other details. Errors: Invalid."""
        return checked(replace(self, **changes))


DETAILS = tuple(field.name for field in fields(Entry) if field.name not in FIRST_ONLY)


def checked(entry: Entry) -> Entry:
    """Return the entry as it is kept, if it meets every obligation. Errors: Invalid, naming the field."""
    check_sharing(entry.sharing_type, entry.sharing_condition)
    check_items(entry.items)
    codes.check("format_kind", entry.format_kind)
    codes.check("format_type", entry.format_type, of=entry.format_kind)
    codes.check("load", entry.load)
    _check_bounds(entry)
    for other in entry.related:
        try:
            resource_code.parse(other)
        except Invalid as exc:
            raise Invalid(field="related", reason=exc.facts["reason"]) from exc
    if entry.timestamp_column is not None and entry.timestamp_column not in {item.name for item in entry.items}:
        raise Invalid(field="timestamp_column", reason=Text("is the name of no item", "不是任何信息项的名称"))
    if entry.load == "incremental" and entry.timestamp_column is None:
        raise Invalid(field="timestamp_column", reason=Text("incremental data needs one", "增量提供时必须填写"))
    return replace(entry, sharing_method=_method(entry))


def _method(entry: Entry) -> str | None:
    """共享方式 is mandatory unless the resource is not shared."""
    if entry.sharing_type is SharingType.NOT_SHARED:
        return None
    return codes.check("sharing_method", entry.sharing_method or "platform")


def _check_bounds(entry: Entry) -> None:
    for name, most in (("related", MOST_RELATED), ("service_items", MOST_SERVICES)):
        if len(getattr(entry, name)) > most:
            raise Invalid(field=name, reason=Text(f"at most {most}", f"最多 {most} 个"))
