"""``exchange request``: asking for resources, and answering."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exchange.cli import output, session
from exchange.text import Text

if TYPE_CHECKING:
    from exchange.admin.base import Json


class Purpose(StrEnum):
    """What the data are used for: 行政依据, 工作参考, 数据校核, 业务协同."""

    ADMINISTRATIVE_BASIS = "administrative_basis"
    WORK_REFERENCE = "work_reference"
    DATA_VERIFICATION = "data_verification"
    COLLABORATION = "collaboration"


COLUMNS = {
    "id": Text("id", "编号"),
    "resource": Text("resource", "信息资源"),
    "client_id": Text("system", "业务系统"),
    "purpose": Text("purpose", "用途"),
    "state": Text("state", "状态"),
    "due_at": Text("due", "期限"),
    "reason": Text("reason", "理由"),
}
DETAIL = {
    **COLUMNS,
    "legal_basis": Text("legal basis", "依据"),
    "note": Text("note", "说明"),
    "items": Text("items", "信息项"),
    "rows": Text("rows", "范围"),
    "expected_volume": Text("records a day", "预计每日量"),
    "contact": Text("contact", "联系人"),
    "until": Text("until", "截止"),
    "batch": Text("batch", "批次"),
    "renews": Text("renews grant", "续期授权"),
    "dispute": Text("dispute", "争议理由"),
    "final": Text("final", "最终决定"),
    "grant": Text("grant", "授权"),
    "enforced": Text("enforced at the broker", "消息服务已生效"),
}
PURPOSE = Text("what the data are used for", "使用用途")
REASON = Text("why", "理由")

Request = Annotated[int, typer.Argument(metavar="REQUEST", min=1, help=Text("the request's id", "申请编号").format())]
AsJson = Annotated[bool, typer.Option("--json", help=Text("print JSON", "输出 JSON").format())]
Reason = Annotated[str, typer.Option("--reason", "-r", help=REASON.format())]
Basis = Annotated[str, typer.Option("--basis", help=Text("legal basis", "依据").format())]
For = Annotated[Purpose, typer.Option("--purpose", help=PURPOSE.format())]
Until = Annotated[datetime | None, typer.Option("--until", help=Text("last day", "使用期限").format())]
Note = Annotated[str | None, typer.Option("--note", help=Text("what else is to be said", "补充说明").format())]
Item = Annotated[
    list[str] | None, typer.Option("--item", help=Text("only this item; repeat", "限定信息项，可重复").format())
]
Rows = Annotated[str | None, typer.Option("--rows", help=Text("only these rows", "限定范围").format())]
Volume = Annotated[int | None, typer.Option("--volume", min=0, help=Text("records a day", "预计每日量").format())]
Contact = Annotated[str | None, typer.Option("--contact", help=Text("whom to ask", "联系人").format())]


def register(app: typer.Typer) -> None:
    """Add the group ``request`` to ``app``."""
    group = typer.Typer(help=Text("Ask for resources, and answer", "共享申请与审批").format(), no_args_is_help=True)
    for name, command, text in (
        ("new", new, Text("Ask for resources", "提出申请")),
        ("list", list_, Text("List requests", "查看申请列表")),
        ("show", show, Text("Show a request", "查看申请")),
        ("edit", edit, Text("Change a request that waits", "修改待审批的申请")),
        ("withdraw", withdraw, Text("Take a request back", "撤回申请")),
        ("review", review, Text("Pass on or refuse as the authority", "主管部门审核")),
        ("approve", approve, Text("Grant a request", "同意申请")),
        ("refuse", refuse, Text("Refuse a request", "拒绝申请")),
        ("dispute", dispute, Text("Bring a refusal before the authority", "对拒绝提出争议")),
        ("renew", renew, Text("Ask that a grant ends later", "申请授权续期")),
    ):
        group.command(name, help=text.format())(command)
    app.add_typer(group, name="request")


def new(
    resources: Annotated[list[str], typer.Argument(metavar="CODE...", help=Text("codes", "资源代码").format())],
    system: Annotated[str, typer.Option("--system", help=Text("for which system", "业务系统").format())],
    purpose: For,
    basis: Basis,
    item: Item = None,
    rows: Rows = None,
    until: Until = None,
    volume: Volume = None,
    contact: Contact = None,
    note: Note = None,
    json: AsJson = False,
) -> None:
    """Ask for one or several resources."""
    more = _more(until, reason=note, items=item or None, rows=rows, expected_volume=volume, contact=contact)
    with session.opened() as admin:
        if len(resources) == 1:
            _print(admin.request(resources[0], system, purpose.value, basis, **more), as_json=json)
            return
        output.emit(admin.request_all(resources, system, purpose.value, basis, **more)["requests"], COLUMNS, json)


def list_(
    state: Annotated[str | None, typer.Option("--state", help=Text("only in this state", "按状态").format())] = None,
    resource: Annotated[str | None, typer.Option("--resource", help=Text("only of this", "按资源").format())] = None,
    batch: Annotated[str | None, typer.Option("--batch", help=Text("only of this batch", "按批次").format())] = None,
    json: AsJson = False,
) -> None:
    """List the requests that one's department makes, decides, or is in charge of."""
    from exchange.contract import slug  # noqa: PLC0415 - `exchange --help` stays quick

    with session.opened() as admin:
        found = admin.requests(state=state, batch=batch, resource=slug(resource) if resource else None)
        output.emit(found, COLUMNS, json)


def show(request: Request, json: AsJson = False) -> None:
    """Show one request."""
    with session.opened() as admin:
        _print(admin.get(f"requests/{request}"), as_json=json)


def edit(
    request: Request,
    purpose: Annotated[Purpose | None, typer.Option("--purpose", help=PURPOSE.format())] = None,
    basis: Annotated[str | None, typer.Option("--basis", help=Text("legal basis", "依据").format())] = None,
    item: Item = None,
    rows: Rows = None,
    whole: Annotated[bool, typer.Option("--whole", help=Text("all items, all rows", "整体使用").format())] = False,
    until: Until = None,
    volume: Volume = None,
    contact: Contact = None,
    note: Note = None,
    json: AsJson = False,
) -> None:
    """Change what is given; the clock starts again."""
    more = _more(until, reason=note, items=item or None, rows=rows, expected_volume=volume, contact=contact)
    more |= {"purpose": purpose.value if purpose else None, "legal_basis": basis}
    changes: dict[str, Any] = {name: value for name, value in more.items() if value is not None}
    if whole:
        changes |= {"items": None, "rows": None}
    with session.opened() as admin:
        _print(admin.edit_request(request, changes), as_json=json)


def withdraw(request: Request, json: AsJson = False) -> None:
    """Take a request back."""
    with session.opened() as admin:
        _print(admin.withdraw(request), as_json=json)


def review(
    request: Request,
    refusal: Annotated[
        str | None, typer.Option("--refuse", help=Text("refuse, and why", "不予通过的理由").format())
    ] = None,
    json: AsJson = False,
) -> None:
    """Pass a request on to its provider, or refuse it."""
    with session.opened() as admin:
        _print(admin.review(request, refusal), as_json=json)


def approve(request: Request, json: AsJson = False) -> None:
    """Grant a request."""
    with session.opened() as admin:
        _print(admin.approve(request), as_json=json)


def refuse(request: Request, reason: Reason, json: AsJson = False) -> None:
    """Refuse a request."""
    with session.opened() as admin:
        _print(admin.refuse(request, reason), as_json=json)


def dispute(request: Request, reason: Reason, json: AsJson = False) -> None:
    """Bring a refusal before the authority."""
    with session.opened() as admin:
        _print(admin.dispute(request, reason), as_json=json)


def renew(
    grant: Annotated[int, typer.Argument(metavar="GRANT", min=1, help=Text("the grant's id", "授权编号").format())],
    purpose: For,
    basis: Basis,
    until: Until = None,
    json: AsJson = False,
) -> None:
    """Ask that an active grant ends later; without --until, that it does not end."""
    with session.opened() as admin:
        _print(admin.renew(grant, purpose.value, basis, **_more(until)), as_json=json)


def _more(until: datetime | None, **given: Any) -> dict[str, Any]:
    return {**given, "until": until.astimezone().isoformat() if until else None}


def _print(request: Json, *, as_json: bool) -> None:
    if as_json:
        output.emit_one(request, DETAIL, as_json=True)
        return
    opened = request.get("grant")
    output.emit_one({**request, "grant": opened["id"] if opened else None}, DETAIL, as_json=False)
