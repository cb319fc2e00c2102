"""All tables of the registry, for the migrations."""

from __future__ import annotations

from sqlalchemy import MetaData

from registry.catalogue.models import Resource
from registry.database import Base
from registry.enforcement.models import Lease
from registry.organisation.models import Department
from registry.receipts.models import ReceiptRow
from registry.sharing.models import Grant

AREAS = (Department, Resource, Grant, ReceiptRow, Lease)  # one table of each area: importing it declares the others


def metadata() -> MetaData:
    """Return the tables as the models declare them."""
    return Base.metadata
