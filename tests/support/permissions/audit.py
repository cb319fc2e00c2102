"""Who may call what about the audit: auditors, wherever they are, and nobody else."""

from __future__ import annotations

from tests.support.permissions.matrix import Call, Row, Stage, nothing

AUDITORS = {"auditor": "++++"}
PREFIX = "/api/v1/audit"


def _signed(stage: Stage) -> Call:
    stage.world.runtime.audit.keeper.sign()
    return Call(f"{PREFIX}/heads")


ROWS = (
    Row("GET", f"{PREFIX}/entries", nothing(f"{PREFIX}/entries"), AUDITORS),
    Row("GET", f"{PREFIX}/entries/{{number}}", nothing(f"{PREFIX}/entries/1"), AUDITORS),
    Row("GET", f"{PREFIX}/export", nothing(f"{PREFIX}/export"), AUDITORS),
    Row("GET", f"{PREFIX}/heads", _signed, AUDITORS),
    Row("GET", f"{PREFIX}/heads/published", nothing(f"{PREFIX}/heads/published"), AUDITORS),
    Row("POST", f"{PREFIX}/heads", nothing(f"{PREFIX}/heads"), AUDITORS),
    Row("GET", f"{PREFIX}/keys", nothing(f"{PREFIX}/keys"), AUDITORS),
)
