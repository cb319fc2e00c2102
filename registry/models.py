"""All tables of the registry, for the migrations."""

from __future__ import annotations

from sqlalchemy import MetaData

from registry.audit.models import AuditEntry
from registry.catalogue.models import Resource
from registry.certificates.models import CertificateRow
from registry.database import Base
from registry.enforcement.models import Lease
from registry.evaluation.models import Evaluation
from registry.history.models import ResourceDay
from registry.notices.models import Notice
from registry.objections.models import Objection
from registry.organisation.models import Department
from registry.receipts.models import ReceiptRow
from registry.running.models import RunningAdapter
from registry.sharing.models import Grant
from registry.web.models import KeptAnswer

# One table of each area: importing it declares the others.
AREAS = (
    Department,
    Resource,
    Grant,
    ReceiptRow,
    CertificateRow,
    Lease,
    AuditEntry,
    KeptAnswer,
    Notice,
    Objection,
    RunningAdapter,
    ResourceDay,
    Evaluation,
)


def metadata() -> MetaData:
    """Return the tables as the models declare them."""
    return Base.metadata
