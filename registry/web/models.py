"""Table of the answers that are kept for repeated requests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class KeptAnswer(Base):
    """The answer to a request with an Idempotency-Key; without a status, the request still runs."""

    __tablename__ = "kept_answers"

    caller: Mapped[str] = mapped_column(String(80), primary_key=True)
    key_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(index=True)
