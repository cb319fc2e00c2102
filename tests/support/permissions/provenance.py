"""Provenance by batch: the owner's deciders and systems, and administrators and auditors of its division and above."""

from __future__ import annotations

from tests.support.permissions.matrix import Call, Row, Stage

API = "/api/v1"


def batch(stage: Stage) -> Call:
    return Call(f"{API}/provenance", {"resource": stage.world.resource(stage.home), "batch": "0" * 32})


ROWS = (
    Row(
        "POST",
        f"{API}/provenance",
        batch,
        {
            "department_admin": "+---",
            "data_owner": "+---",
            "system": "+---",
            "auditor": "++--",
            "system_admin": "++--",
        },
    ),
)
