"""Bodies and answers of the catalogue."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from exchange.items import Check, Item, ItemType, Mask
from exchange.text import Lang
from registry.catalogue.clash import Clash
from registry.catalogue.diff import Change
from registry.catalogue.domain import Freshness, Lifecycle, SharingType, Shown, UpdateCycle, freshness, shown
from registry.catalogue.entry import Entry
from registry.catalogue.models import Resource
from registry.web.forms import NO_NUL, ClientId, Form, Name, Prose, Sentence

MOST_ITEMS = 500
ITEM = {"name": "gmsfhm", "label": "公民身份号码", "type": "C", "length": 18, "primary_key": True, "sensitivity": 4}
Slug = Annotated[str, Field(max_length=64, examples=["307440000-000001"])]
Code = Annotated[str, StringConstraints(max_length=64, pattern=NO_NUL)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=r"^[a-z0-9_]+$")]
ItemName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=NO_NUL)]
ClassCode = Annotated[str, StringConstraints(pattern=r"^[1-3][0-9]{0,20}$")]


class ItemForm(Form):
    """An item (信息项) of a resource."""

    name: ItemName
    label: Name
    type: ItemType
    length: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    scale: Annotated[int, Field(ge=0, le=38)] = 0
    required: bool = False
    primary_key: bool = False
    sensitivity: Annotated[int, Field(ge=1, le=4)] = 1
    check: Check | None = None
    mask: Mask | None = None
    sharing_type: SharingType | None = None

    def item(self) -> Item:
        """Return the item."""
        kept = {name: getattr(self, name) for name in type(self).model_fields if name != "sharing_type"}
        return Item(**kept, sharing_type=None if self.sharing_type is None else int(self.sharing_type))


Items = Annotated[list[ItemForm], Field(min_length=1, max_length=MOST_ITEMS, examples=[[ITEM]])]
Codes = Annotated[list[Code], Field(max_length=20)]
Services = Annotated[list[Name], Field(max_length=50)]


class ResourceForm(Form):
    """A resource to register as a draft of the source system's department.

    Either `code` is given, or `classification`, a class of the directory tree in which the next code is made.
    """

    code: Annotated[Code | None, Field(examples=["307440000/000001"])] = None
    classification: Annotated[ClassCode | None, Field(examples=["307"])] = None
    name: Annotated[Name, Field(examples=["常住人口信息"])]
    summary: Annotated[Prose, Field(examples=["在本省常住的人口的基本信息"])]
    source_system: Annotated[ClientId, Field(examples=["440000-population"])]
    sharing_type: SharingType
    sharing_condition: Sentence | None = None
    sharing_method: Word | None = "platform"
    update_cycle: UpdateCycle
    format_kind: Word = "database"
    format_type: Word = "other"
    open: bool = False
    open_condition: Sentence | None = None
    related: Codes = Field(default_factory=list)
    service_items: Services = Field(default_factory=list)
    timestamp_column: ItemName | None = None
    load: Word = "full"
    physical_deletes: bool = False
    partitions: Annotated[int, Field(ge=1, le=64)] = 1
    items: Items

    def entry(self) -> Entry:
        """Return the entry."""
        return Entry(**_values(self, set(type(self).model_fields)))


class ResourcePatch(Form):
    """What changes of a resource; what is left out stays, and null empties what may be empty."""

    name: Name = ""
    summary: Prose = ""
    source_system: ClientId = ""
    sharing_type: SharingType = SharingType.CONDITIONAL
    sharing_condition: Sentence | None = None
    sharing_method: Word | None = None
    update_cycle: UpdateCycle = UpdateCycle.OTHER
    format_kind: Word = ""
    format_type: Word = ""
    open: bool = False
    open_condition: Sentence | None = None
    related: Codes = Field(default_factory=list)
    service_items: Services = Field(default_factory=list)
    timestamp_column: ItemName | None = None
    load: Word = ""
    physical_deletes: bool = False
    items: Items = Field(default_factory=list)

    def changes(self) -> dict[str, Any]:
        """Return the fields that were given."""
        return _values(self, self.model_fields_set)


class ItemsForm(Form):
    """The items of the next version."""

    items: Items


class ReturnForm(Form):
    """Why a submitted resource goes back."""

    reason: Prose


class ResourceOut(BaseModel):
    """A resource; ``resource`` is its slug, ``level`` its highest sensitivity.

    ``lifecycle`` is ``changed`` while a change of the published resource is in effect and waits to be published.
    ``quality``: share of the rows of the last 30 days that broke no rule; ``kept``: share of those days at whose end
    the data were fresh; null: nothing to judge by.
    """

    resource: str
    code: str
    name: str
    summary: str
    classification: str
    department_id: int
    department: str
    provider_code: str
    source_system: str
    sharing_type: int
    sharing_condition: str | None
    sharing_method: str | None
    update_cycle: str
    format_kind: str
    format_type: str
    open: bool
    open_condition: str | None
    related: list[str]
    service_items: list[str]
    timestamp_column: str | None
    load: str
    physical_deletes: bool
    partitions: int
    level: int
    topic: str
    lifecycle: Shown
    version: int
    created_at: datetime
    published_at: datetime | None
    changed_at: datetime | None
    last_data_at: datetime | None
    freshness: Freshness
    quality: float | None
    kept: float | None
    note: str | None

    @classmethod
    def fields_of(cls, row: Resource, now: datetime) -> dict[str, Any]:
        """Return the answer's fields for a row."""
        own = {
            "resource": row.slug,
            "department": row.department.name,
            "provider_code": row.department.uscc,
            "lifecycle": shown(Lifecycle(row.lifecycle), row.changed_at),
            "freshness": freshness(UpdateCycle(row.update_cycle), row.last_data_at, now),
        }
        kept = {name: getattr(row, name) for name in ResourceOut.model_fields if name not in own}
        return {**kept, **own}

    @classmethod
    def of(cls, row: Resource, now: datetime) -> ResourceOut:
        """Return the answer for a row."""
        return ResourceOut(**cls.fields_of(row, now))


class ResourceDetail(ResourceOut):
    """A resource with the items of its present version."""

    items: list[dict[str, Any]]


class ClashOut(BaseModel):
    """A warning (一数一源): another department's resource holds the same items."""

    resource: str
    name: str
    department: str
    similarity: float
    message: str

    @staticmethod
    def of(clash: Clash, lang: Lang) -> ClashOut:
        """Return the warning in a language."""
        return ClashOut(
            resource=clash.resource,
            name=clash.name,
            department=clash.department,
            similarity=clash.similarity,
            message=clash.line(lang),
        )


class Registered(ResourceOut):
    """A resource after its registration or change, with what the department should look at."""

    warnings: list[ClashOut]


class Moved(ResourceOut):
    """A resource after publication or withdrawal; ``enforced`` false: the broker is away and follows by itself."""

    enforced: bool


class VersionOut(BaseModel):
    """A version of a resource: its items and its description."""

    version: int
    schema_id: int
    items: list[dict[str, Any]]
    details: dict[str, Any]
    created_at: datetime


class ChangeOut(BaseModel):
    """A difference; ``item`` null: of the description. ``text``: the difference in the reader's language."""

    kind: str
    item: str | None
    field: str | None
    before: Any
    after: Any
    text: str

    @staticmethod
    def of(change: Change, lang: Lang) -> ChangeOut:
        """Return the difference in a language."""
        return ChangeOut(
            kind=change.kind,
            item=change.item,
            field=change.field,
            before=change.before,
            after=change.after,
            text=change.line(lang),
        )


class DiffOut(BaseModel):
    """What differs between two versions of a resource."""

    resource: str
    before: int
    after: int
    changes: list[ChangeOut]


class ContractOut(BaseModel):
    """What an adapter is told: see exchange.contract.Contract."""

    resource: str
    name: str
    version: int
    topic: str
    rejects_topic: str
    schema_id: int
    schema_: Annotated[dict[str, Any], Field(serialization_alias="schema")]
    items: list[dict[str, Any]]
    may_read: bool
    may_write: bool


def _values(form: ResourceForm | ResourcePatch, names: set[str]) -> dict[str, Any]:
    values = {name: getattr(form, name) for name in names}
    for name in {"related", "service_items"} & names:
        values[name] = tuple(values[name])
    if "items" in names:
        values["items"] = tuple(item.item() for item in form.items)
    return values
