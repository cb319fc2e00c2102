"""ETag and If-Match: a change that names the state it was decided on is refused when the state is another by now.

The states are compared in the transaction of the change, after all its other checks (RFC 9110 §13.2.1), and the row is
locked until then. Endpoints need not know of it: the table says which part of an address names which row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from registry.catalogue.models import Classification, Resource
from registry.database import GUARD, Base
from registry.errors import PreconditionFailed, PreconditionRequired
from registry.notices.models import Webhook
from registry.objections.models import Objection
from registry.organisation.models import Department, Division, Node, System, User
from registry.runtime import Runtime
from registry.sharing import models as sharing
from registry.web.access import runtime_of

ANY = "*"
READS = frozenset({"GET", "HEAD"})
ENTITIES: dict[str, type[Base]] = {
    "/api/v1/divisions/{code}": Division,
    "/api/v1/departments/{department_id}": Department,
    "/api/v1/systems/{client_id}/webhook": Webhook,  # before its system: the first that fits is taken
    "/api/v1/systems/{client_id}": System,
    "/api/v1/users/{name}": User,
    "/api/v1/resources/{resource}": Resource,
    "/api/v1/requests/{request_id}": sharing.Request,
    "/api/v1/grants/{grant_id}": sharing.Grant,
    "/api/v1/objections/{objection_id}": Objection,
    "/api/v1/nodes/{code}": Node,
    "/api/v1/classifications/{code}": Classification,
    "/api/v1/authorities/{division}": sharing.Authority,
}
# Changes that replace what another may have written meanwhile; a decision is guarded by its state already.
REPLACING = frozenset({"PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Row:
    """The row that an address is about."""

    table: type[Base]
    key: str | int

    def etag(self, session: Session, *, lock: bool) -> str | None:
        """Return the ETag of the row as it is now; None when there is none."""
        mapper: Any = inspect(self.table)
        counted = [column for column in mapper.columns if column.name == "revision"]
        wanted = select(*(counted or mapper.columns)).where(mapper.primary_key[0] == self.key)
        row = session.execute(wanted.with_for_update() if lock else wanted).first()
        if row is None:
            return None
        text = repr((self.table.__tablename__, self.key, tuple(row)))
        return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


class Condition:
    """What one request demands of a row; it is held to in the first transaction that the request writes in."""

    def __init__(self, row: Row, wanted: str | None) -> None:
        self._row = row
        self._wanted = wanted
        self._used = False

    def __call__(self, session: Session) -> Callable[[], None]:
        """Look at the row now; the returned check raises PreconditionFailed or PreconditionRequired."""
        if self._used:
            return _nothing
        self._used = True
        found = self._row.etag(session, lock=True)

        def check() -> None:
            if self._wanted is None:
                if found is not None:  # what a PUT makes anew replaces nothing
                    raise PreconditionRequired
            elif found is None or not _matches(self._wanted, found):
                raise PreconditionFailed

        return check


async def conditional(request: Request, response: Response, registry: Annotated[Runtime, Depends(runtime_of)]) -> None:
    """Give the answer to a read its ETag; hold a change to its If-Match, and perhaps demand one."""
    row = _row(request)
    if row is None:
        return
    if request.method in READS:
        tag = await run_in_threadpool(_present, registry, row)
        if tag is not None:
            response.headers["ETag"] = tag
        return
    wanted = request.headers.get("if-match")
    needed = registry.settings.api.require_if_match and request.method in REPLACING
    if wanted is not None or needed:
        GUARD.set(Condition(row, wanted))


def entity_of(path: str) -> str | None:
    """Return the part of a route's path that names a row with an ETag."""
    return next((prefix for prefix in ENTITIES if path == prefix or path.startswith(f"{prefix}/")), None)


def _row(request: Request) -> Row | None:
    path: str = getattr(request.scope.get("route"), "path", "")
    prefix = entity_of(path)
    if prefix is None or (request.method in READS and path != prefix):
        return None
    name = prefix.partition("{")[2].partition("}")[0]
    word = request.path_params.get(name)
    mapper: Any = inspect(ENTITIES[prefix])
    kind = mapper.primary_key[0].type.python_type
    if not isinstance(word, str) or "\x00" in word:
        return None
    if kind is int:
        return Row(ENTITIES[prefix], int(word)) if word.isascii() and word.isdigit() and len(word) < 19 else None  # noqa: PLR2004 (64 bits)
    return Row(ENTITIES[prefix], word)


def _present(registry: Runtime, row: Row) -> str | None:
    with registry.database.read() as session:
        return row.etag(session, lock=False)


def _matches(wanted: str, found: str) -> bool:
    return wanted.strip() == ANY or found in (part.strip() for part in wanted.split(","))


def _nothing() -> None:
    """Check nothing."""
