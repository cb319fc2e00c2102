"""The catalogue as a whole over HTTP: code tables, the directory tree, the three lists, bulk files, DCAT."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from sqlalchemy import select

from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue import dcat, directory, search, service
from registry.catalogue.api import Language, Wanted
from registry.catalogue.catalogue_forms import (
    ClassificationForm,
    ClassificationOut,
    CodeTableOut,
    ImportOut,
    ListOut,
)
from registry.catalogue.codes import table as table_of
from registry.catalogue.codes import tables
from registry.catalogue.domain import Lifecycle
from registry.catalogue.forms import ClassCode, ResourceOut
from registry.catalogue.lists import LISTS, ListKind, labelled
from registry.catalogue.models import Classification, Resource
from registry.catalogue.sheets import writing
from registry.catalogue.sheets.reading import Format, read
from registry.catalogue.sheets.taking import Undone, take
from registry.errors import Invalid
from registry.runtime import Runtime
from registry.web.access import Authenticated, Registry
from registry.web.forms import Cursor, Limit, Page, page, part

router = APIRouter(prefix="/api/v1", tags=["catalogue"])
IMPORT = "/api/v1/catalogue/import"
NO_DEPARTMENT = 0  # no department has this number
MOST_EXPORTED = 2_000  # resources in one file
MOST_LISTED = 20_000  # rows of a list in one file
TableName = Annotated[str, InPath(max_length=40, examples=["update_cycle"])]
ClassPath = Annotated[str, InPath(pattern=r"^[1-3][0-9]{0,20}$", examples=["307"])]
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {media: {"schema": {"type": "string", "format": "binary"}} for media in writing.MEDIA.values()}}
}
JSON_LD = "application/ld+json"
LINKED: dict[int | str, dict[str, Any]] = {200: {"content": {JSON_LD: {"schema": {"type": "object"}}}}}


@router.get("/codes")
def code_tables(_caller: Authenticated) -> list[CodeTableOut]:
    """Return all code tables (代码表), each with its codes in both languages."""
    return [CodeTableOut.of(table) for table in tables().values()]


@router.get("/codes/{table}")
def code_table(_caller: Authenticated, table: TableName) -> CodeTableOut:
    """Return one code table."""
    return CodeTableOut.of(table_of(table))


@router.get("/classifications")
def classifications(
    registry: Registry,
    _caller: Authenticated,
    parent: Annotated[ClassCode | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ClassificationOut]:
    """List the directory tree (基础、主题、部门), all of it or what is right below ``parent``."""
    wanted = select(Classification)
    if parent is not None:
        wanted = wanted.where(Classification.parent == parent)
    with registry.database.read() as session:
        return page(session, wanted, Classification.code, ClassificationOut.of, limit=limit, cursor=cursor)


@router.get("/classifications/{code}")
def classification(registry: Registry, _caller: Authenticated, code: ClassPath) -> ClassificationOut:
    """Return one class."""
    with registry.database.read() as session:
        return ClassificationOut.of(directory.node_of(session, code))


@router.put("/classifications/{code}")
def put_classification(
    registry: Registry, caller: Authenticated, code: ClassPath, form: ClassificationForm
) -> ClassificationOut:
    """Add a class below the nearest one that is there, or name one anew; a system administrator does this."""
    with registry.database.write() as session:
        return ClassificationOut.of(directory.put(session, registry.clock, caller, code, form.en, form.zh))


@router.delete("/classifications/{code}", status_code=204)
def remove_classification(registry: Registry, caller: Authenticated, code: ClassPath) -> None:
    """Remove a class that nothing is in; a system administrator does this."""
    with registry.database.write() as session:
        directory.remove(session, registry.clock, caller, code)


@router.get("/lists/{kind}")
def a_list(
    registry: Registry,
    caller: Authenticated,
    lang: Language,
    kind: ListKind,
    department: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ListOut:
    """Return one of the three lists: 资源清单 (resources), 需求清单 (demands), 责任清单 (duties)."""
    listing = LISTS[kind]
    following, rows = _listed(registry, caller, kind, department, limit, cursor)
    return ListOut(
        kind=kind,
        title=listing.title.format(lang),
        columns={field.name: field.label.format(lang) for field in listing.fields},
        items=rows,
        next=following,
    )


@router.get("/lists/{kind}/export", response_class=Response, responses=FILES)
def export_list(
    registry: Registry,
    caller: Authenticated,
    lang: Language,
    kind: ListKind,
    department: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    form: Annotated[Format, Query(alias="format")] = Format.XLSX,
) -> Response:
    """Return a whole list as XLSX or CSV."""
    listing = LISTS[kind]
    _, rows = _listed(registry, caller, kind, department, MOST_LISTED, None, whole=True)
    table = [labelled(listing.fields, row, lang) for row in rows]
    header = [field.label for field in listing.fields]
    return _file(writing.write(listing.title, header, table, form, lang), form, kind.value)


@router.get("/catalogue/export", response_class=Response, responses=FILES)
def export_catalogue(
    registry: Registry,
    caller: Authenticated,
    lang: Language,
    wanted: Wanted,
    form: Annotated[Format, Query(alias="format")] = Format.XLSX,
) -> Response:
    """Return the resources that are looked for, with their items, as XLSX or CSV that can be taken in again."""
    now = registry.clock()
    with registry.database.read() as session:
        found = search.statement(session, caller, wanted, now)
        rows, more = search.part(session, found, wanted.sort, limit=MOST_EXPORTED, cursor=None)
        if more:
            raise _too_many("q", MOST_EXPORTED)
        table = [(ResourceOut.of(row, now), service.entry_of(session, row).items) for row in rows]
    return _file(writing.catalogue(table, form, lang), form, "catalogue")


@router.post("/catalogue/import")
def import_catalogue(
    registry: Registry,
    caller: Authenticated,
    lang: Language,
    data: Annotated[bytes, Body(media_type="application/octet-stream", description="the XLSX or CSV file")],
    form: Annotated[Format, Query(alias="format")] = Format.XLSX,
    partly: Annotated[bool, Query(description="keep what is sound although other resources are faulty")] = False,
    trial: Annotated[bool, Query(description="keep nothing, only tell")] = False,
) -> ImportOut:
    """Take a file of resources in: drafts for new ones, versions for known ones; every faulty cell is told."""
    caller.must_decide(caller.department_id or NO_DEPARTMENT)
    table = read(data, form)
    division = registry.settings.node.division
    try:
        with registry.database.write() as session:
            report = take(session, registry.clock, caller, division, table, partly=partly, trial=trial)
    except Undone as undone:
        report = undone.report
    return ImportOut.of(report, lang)


@router.get("/catalogue/dcat", response_class=Response, responses=LINKED)
def dcat_catalogue(registry: Registry, caller: Authenticated, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Return a part of the published catalogue as DCAT (JSON-LD); the `Link` header has the next part's address."""
    with registry.database.read() as session:
        live = select(Resource).where(Resource.lifecycle == Lifecycle.PUBLISHED.value, search.visible(caller))
        rows, following = search.part(session, live, None, limit=limit, cursor=cursor)
    node = registry.settings.node
    document = dcat.catalogue(node.division, node.name, registry.settings.broker.bootstrap_servers, rows)
    if following:
        document["exchange:next"] = following
    link = {"Link": f'</api/v1/catalogue/dcat?limit={limit}&cursor={following}>; rel="next"'} if following else {}
    return JSONResponse(document, headers=link, media_type=JSON_LD)


def _listed(
    registry: Runtime,
    caller: Caller,
    kind: ListKind,
    department: int | None,
    limit: int,
    cursor: str | None,
    *,
    whole: bool = False,
) -> tuple[str | None, list[dict[str, Any]]]:
    listing = LISTS[kind]
    with registry.database.read() as session:
        wanted = listing.select(session, caller)
        if department is not None:
            wanted = wanted.where(listing.department == department)
        rows, following = part(session, wanted, listing.key, limit=limit, cursor=cursor)
        if whole and following:
            raise _too_many("department", limit)
        return following, listing.values(session, rows, registry.clock())


def _file(data: bytes, form: Format, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form.value}"'}
    return Response(data, media_type=writing.MEDIA[form], headers=headers)


def _too_many(field: str, most: int) -> Invalid:
    return Invalid(
        field=field, reason=Text(f"more than {most} rows: ask for a part", f"超过 {most} 行，请缩小查询范围")
    )
