"""The bodies of requests and grants, as they come and go."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from registry.organisation.api import DepartmentOut
from registry.sharing.answering import Decision
from registry.sharing.domain import Purpose
from registry.sharing.models import Authority, Grant, Request
from registry.sharing.service import Wish
from registry.web.forms import NO_NUL, ClientId, Form, Prose

MOST_AT_ONCE = 50  # resources in one batch
MOST_ITEMS = 500
MOST_VOLUME = 10**12

Slug = Annotated[str, Field(min_length=1, max_length=64, examples=["307440000-000001"])]
Items = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=63)]],
    Field(min_length=1, max_length=MOST_ITEMS, description="only these items; none: all"),
]
Contact = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=NO_NUL),
    Field(examples=["数据处 020-00000000"]),
]  # fmt: skip
Volume = Annotated[int, Field(ge=0, le=MOST_VOLUME, description="records a day that the asker expects")]


class WishForm(Form):
    """What a request says."""

    purpose: Annotated[Purpose, Field(description="行政依据, 工作参考, 数据校核, 业务协同")]
    legal_basis: Annotated[Prose, Field(examples=["《政务数据共享条例》（国令第809号）"])]
    reason: Prose | None = None
    items: Items | None = None
    rows: Annotated[Prose | None, Field(description="which rows, in words or as a filter", examples=[None])] = None
    expected_volume: Volume | None = None
    contact: Contact | None = None
    until: AwareDatetime | None = None

    def wish(self) -> Wish:
        """Return the wish."""
        return Wish(**{name: getattr(self, name) for name in WishForm.model_fields})


class RequestForm(WishForm):
    """A request for a system of the caller's own department."""

    resource: Slug
    client_id: ClientId


class BatchForm(WishForm):
    """A request for several resources: each is decided for itself."""

    resources: Annotated[list[Slug], Field(min_length=1, max_length=MOST_AT_ONCE)]
    client_id: ClientId


class EditForm(Form):
    """What changes in a request that waits; what is left out stays."""

    purpose: Purpose | None = None
    legal_basis: Prose | None = None
    reason: Prose | None = None
    items: Items | None = None
    rows: Prose | None = None
    expected_volume: Volume | None = None
    contact: Contact | None = None
    until: AwareDatetime | None = None

    def changes(self) -> dict[str, Any]:
        """Return what was given; purpose and legal basis cannot be taken away."""
        given = self.model_dump(exclude_unset=True)
        return {name: value for name, value in given.items() if value is not None or name not in MUST}


MUST = frozenset({"purpose", "legal_basis"})


class RenewForm(WishForm):
    """A renewal: the same grant, with a later end; `until` null is without end."""


class ReasonForm(Form):
    """Why."""

    reason: Annotated[Prose, Field(examples=["超出履职需要"])]


class ReviewForm(Form):
    """The authority's review: without a reason the request is passed on, with one it is refused."""

    refusal: Annotated[Prose | None, Field(examples=[None])] = None


class AuthorityForm(Form):
    """The department in charge of a division."""

    department_id: Annotated[int, Field(ge=1, le=2**63 - 1, examples=[1])]


class AuthorityOut(BaseModel):
    """The department in charge of a division, and of those below it that have none of their own."""

    division: str
    department: DepartmentOut
    named_at: datetime

    @staticmethod
    def of(row: Authority) -> AuthorityOut:
        """Return the answer for a row."""
        return AuthorityOut(division=row.division, department=DepartmentOut.of(row.department), named_at=row.named_at)


class GrantOut(BaseModel):
    """A grant; ``end_reason`` is also why a suspended one rests."""

    id: int
    request: int
    resource: str
    topic: str
    client_id: str
    state: str
    until: datetime | None
    created_at: datetime
    ended_at: datetime | None
    end_reason: str | None

    @staticmethod
    def of(row: Grant) -> GrantOut:
        """Return the answer for a row."""
        fields = {
            name: getattr(row, name) for name in GrantOut.model_fields if name not in {"request", "resource", "topic"}
        }
        return GrantOut(**fields, request=row.request_id, resource=row.slug, topic=row.resource.topic)


class RequestOut(BaseModel):
    """A request and its answer; ``reason`` is why it was answered so, ``note`` what the asker added.

    ``due_at``: when the next answer is due, or until when a refusal can be disputed; ``renews``: a grant's id.
    """

    id: int
    batch: str | None
    renews: int | None
    resource: str
    client_id: str
    purpose: str
    legal_basis: str
    note: str | None
    items: list[str] | None
    rows: str | None
    expected_volume: int | None
    contact: str | None
    until: datetime | None
    state: str
    due_at: datetime | None
    escalated_at: datetime | None
    reason: str | None
    dispute: str | None
    final: bool
    created_at: datetime
    answered_at: datetime | None

    @staticmethod
    def of(row: Request) -> RequestOut:
        """Return the answer for a row."""
        own = {"resource": row.slug, "note": row.reason, "reason": row.answer}
        fields = {name: getattr(row, name) for name in RequestOut.model_fields if name not in own}
        return RequestOut(**fields, **own)


class Decided(RequestOut):
    """A request after a decision; ``enforced`` false: the broker is away, and it follows by itself."""

    grant: GrantOut | None
    enforced: bool


class DecidedBatch(BaseModel):
    """The requests of one batch."""

    batch: str
    requests: list[Decided]


class Changed(GrantOut):
    """A grant after a decision; ``enforced`` false: the broker is away, and it follows by itself."""

    enforced: bool


class Self(BaseModel):
    """The calling system, and what it may read now."""

    client_id: str
    name: str
    department: DepartmentOut
    grants: list[GrantOut]


Shown = tuple[RequestOut, GrantOut | None]


def shown(decision: Decision) -> Shown:
    """Return a decision as it is answered, while its session is open."""
    request, grant = decision
    return RequestOut.of(request), GrantOut.of(grant) if grant else None
