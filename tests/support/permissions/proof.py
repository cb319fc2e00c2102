"""Keys of receipts and daily certificates: a system tells its own key, both sides see a certificate."""

from __future__ import annotations

from datetime import UTC, date, datetime

from exchange.certificate import sign
from exchange.signing import SigningKey
from registry.certificates.models import CertificateRow
from registry.receipts.models import ReceiptKey
from tests.support.permissions.matrix import NO_AUDITOR, Call, Row, Stage, nothing, public
from tests.support.permissions.sharing import SEES, other

API = "/api/v1"
TENDS = {**SEES, "security_admin": "++??"}


def new_key(_stage: Stage) -> Call:
    return Call(f"{API}/receipt-keys", {"jwk": SigningKey.generate().jwk})


def key(stage: Stage) -> str:
    """A key of the home department's system."""
    made = SigningKey.generate()
    row = ReceiptKey(client_id=stage.home.client_id, kid=made.kid, jwk=made.jwk, created_at=datetime.now(UTC))
    with stage.world.runtime.database.write() as session:
        session.add(row)
    return made.kid


def certificate(stage: Stage) -> int:
    """One of a grant of the home department's to the other side."""
    resource = stage.world.resource(stage.home)
    grant = stage.world.grant(stage.home, other(stage), resource)["grant"]
    row = CertificateRow(
        grant_id=grant["id"],
        slug=resource,
        client_id=other(stage).client_id,
        day=date(2026, 11, 28),
        revision=1,
        issued_at=datetime.now(UTC),
        published=1,
        landed=1,
        differences=0,
        content="0" * 64,
        jws=sign({"version": 1}, SigningKey.generate()),
    )
    with stage.world.runtime.database.write() as session:
        session.add(row)
        session.flush()
        return row.id


ROWS = (
    Row("POST", f"{API}/receipt-keys", new_key, {"system": "++++"}),
    Row(
        "GET",
        f"{API}/systems/{{client_id}}/receipt-keys",
        lambda stage: Call(f"{API}/systems/{stage.home.client_id}/receipt-keys"),
        TENDS,
    ),
    Row(
        "POST",
        f"{API}/systems/{{client_id}}/receipt-keys/{{kid}}/end",
        lambda stage: Call(f"{API}/systems/{stage.home.client_id}/receipt-keys/{key(stage)}/end"),
        {
            "department_admin": "+???",
            "security_admin": "++??",
            "system_admin": "--??",
            **dict.fromkeys(("data_owner", "developer", "system"), "-???"),
        },
    ),
    Row("GET", f"{API}/certificates", nothing(f"{API}/certificates"), NO_AUDITOR),
    Row(
        "GET",
        f"{API}/certificates/{{certificate_id}}",
        lambda stage: Call(f"{API}/certificates/{certificate(stage)}"),
        {**SEES, "security_admin": "????"},
    ),
    public("GET", f"{API}/certificate-keys"),
)
