"""Differences: both sides of one, those above them, and nobody else; the side that answers for it closes it."""

from __future__ import annotations

from datetime import UTC, datetime

from registry.receipts.models import Difference
from tests.support.permissions.matrix import NO_AUDITOR, Call, Row, Stage, nothing
from tests.support.permissions.sharing import DECIDES, SEES, other

API = "/api/v1"


def difference(stage: Stage) -> int:
    """One between the home department, which publishes and answers for it, and the other side."""
    row = Difference(
        slug=stage.world.resource(stage.home),
        client_id=other(stage).client_id,
        batch=f"{stage.number():032x}",
        kind="lost",
        owner="publisher",
        reason="published: 2, at the broker: 1, landed: 1",
        records=1,
        opened_at=datetime.now(UTC),
    )
    with stage.world.runtime.database.write() as session:
        session.add(row)
        session.flush()
        return row.id


ROWS = (
    Row("GET", f"{API}/differences", nothing(f"{API}/differences"), NO_AUDITOR),
    Row(
        "GET",
        f"{API}/differences/{{difference_id}}",
        lambda s: Call(f"{API}/differences/{difference(s)}"),
        {**SEES, "security_admin": "????"},
    ),
    Row(
        "POST",
        f"{API}/differences/{{difference_id}}/close",
        lambda s: Call(f"{API}/differences/{difference(s)}/close", {"evidence": "已查明"}),
        {**DECIDES, "system_admin": "--??", "security_admin": "????"},
    ),
)
