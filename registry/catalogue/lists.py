"""The three lists (三清单): what there is (资源), what is wanted (需求), and who owes what (责任)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from exchange.text import Lang, Text
from registry.access.caller import Caller
from registry.catalogue import codes, search
from registry.catalogue.domain import Lifecycle, UpdateCycle, freshness
from registry.catalogue.models import Resource
from registry.sharing.domain import OPEN
from registry.sharing.models import Request
from registry.sharing.parties import visible

YES, NO = Text("yes", "是"), Text("no", "否")


class ListKind(StrEnum):
    """Which of the three."""

    RESOURCES = "resources"
    DEMANDS = "demands"
    DUTIES = "duties"


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a list; ``table``: the code table that its values are shown by."""

    name: str
    label: Text
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: its title and fields, whose rows it has, and the values of a row."""

    title: Text
    fields: tuple[Field, ...]
    select: Callable[[Session, Caller], Select[Any]]
    key: InstrumentedAttribute[Any]
    department: InstrumentedAttribute[int]
    values: Callable[[Session, Sequence[Any], datetime], list[dict[str, Any]]]


PROVIDER = (
    Field("code", Text("code", "信息资源代码")),
    Field("name", Text("name", "信息资源名称")),
    Field("department", Text("provider", "信息资源提供方")),
    Field("provider_code", Text("provider's code", "提供方代码")),
)
SHARING = Field("sharing_type", Text("sharing type", "共享类型"), "sharing_type")
CYCLE = Field("update_cycle", Text("update cycle", "更新周期"), "update_cycle")


def labelled(fields: Sequence[Field], row: dict[str, Any], lang: Lang) -> list[object]:
    """Return a row's values as people read them."""
    return [_word(field, row[field.name], lang) for field in fields]


def _word(field: Field, value: Any, lang: Lang) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return (YES if value else NO).format(lang)
    return codes.table(field.table).label_of(value, lang) if field.table else value


def _live(_session: Session, caller: Caller) -> Select[Any]:
    live = Resource.lifecycle == Lifecycle.PUBLISHED.value
    return select(Resource).where(search.visible(caller), live)


def _asked(session: Session, caller: Caller) -> Select[Any]:
    return select(Request).join(Resource, Resource.slug == Request.slug).where(visible(session, caller, Request))


def _of(row: Resource) -> dict[str, Any]:
    return {
        "code": row.code,
        "name": row.name,
        "department": row.department.name,
        "provider_code": row.department.uscc,
        "sharing_type": row.sharing_type,
        "update_cycle": row.update_cycle,
    }


def _resources(_session: Session, rows: Sequence[Resource], _now: datetime) -> list[dict[str, Any]]:
    own = ("summary", "sharing_condition", "sharing_method", "format_kind", "open", "level")
    return [
        {**_of(row), **{name: getattr(row, name) for name in own}, "published_at": _day(row.published_at)}
        for row in rows
    ]


def _demands(_session: Session, rows: Sequence[Request], _now: datetime) -> list[dict[str, Any]]:
    return [
        {
            **_of(row.resource),
            "number": row.id,
            "asker": row.system.department.name,
            "client_id": row.client_id,
            "purpose": row.purpose,
            "legal_basis": row.legal_basis,
            "state": row.state,
            "asked_at": _day(row.created_at),
            "answered_at": _day(row.answered_at),
        }
        for row in rows
    ]


def _duties(session: Session, rows: Sequence[Resource], now: datetime) -> list[dict[str, Any]]:
    waiting = _waiting(session, rows)
    return [
        {
            **_of(row),
            "source_system": row.source_system,
            "last_data_at": _day(row.last_data_at),
            "freshness": freshness(UpdateCycle(row.update_cycle), row.last_data_at, now).value,
            "waiting": waiting.get(row.slug, 0),
            "unpublished_change": row.changed_at is not None,
        }
        for row in rows
    ]


def _waiting(session: Session, rows: Sequence[Resource]) -> dict[str, int]:
    counted = (
        select(Request.slug, func.count())
        .where(Request.slug.in_([row.slug for row in rows]), Request.state.in_([state.value for state in OPEN]))
        .group_by(Request.slug)
    )
    return {row[0]: row[1] for row in session.execute(counted)}


def _day(at: datetime | None) -> str | None:
    return at.date().isoformat() if at else None


LISTS: dict[ListKind, Listing] = {
    ListKind.RESOURCES: Listing(
        Text("list of resources", "资源清单"),
        (
            *PROVIDER,
            Field("summary", Text("summary", "信息资源摘要")),
            Field("format_kind", Text("format", "信息资源格式"), "format_kind"),
            SHARING,
            Field("sharing_condition", Text("sharing condition", "共享条件")),
            Field("sharing_method", Text("sharing method", "共享方式"), "sharing_method"),
            Field("open", Text("open to the public", "是否向社会开放")),
            Field("level", Text("sensitivity", "敏感级别"), "sensitivity"),
            CYCLE,
            Field("published_at", Text("publication", "发布日期")),
        ),
        _live,
        Resource.slug,
        Resource.department_id,
        _resources,
    ),
    ListKind.DEMANDS: Listing(
        Text("list of demands", "需求清单"),
        (
            Field("number", Text("request", "申请编号")),
            Field("asker", Text("asker", "需求部门")),
            Field("client_id", Text("system", "业务系统")),
            *PROVIDER,
            Field("purpose", Text("purpose", "使用用途")),
            Field("legal_basis", Text("legal basis", "使用依据")),
            Field("state", Text("state", "办理状态")),
            Field("asked_at", Text("asked", "申请日期")),
            Field("answered_at", Text("answered", "答复日期")),
        ),
        _asked,
        Request.id,
        Resource.department_id,
        _demands,
    ),
    ListKind.DUTIES: Listing(
        Text("list of duties", "责任清单"),
        (
            *PROVIDER,
            Field("source_system", Text("source system", "来源系统")),
            SHARING,
            CYCLE,
            Field("last_data_at", Text("newest data", "最近更新")),
            Field("freshness", Text("freshness", "更新情况"), "freshness"),
            Field("waiting", Text("requests to answer", "待答复申请")),
            Field("unpublished_change", Text("change to publish", "变更待发布")),
        ),
        _live,
        Resource.slug,
        Resource.department_id,
        _duties,
    ),
}
