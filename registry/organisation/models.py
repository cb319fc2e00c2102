"""Tables of divisions, departments, systems and users."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.database import Base


class Division(Base):
    """A division (行政区划): a GB/T 2260 code while it is valid; the depth of the tree is data."""

    __tablename__ = "divisions"

    code: Mapped[str] = mapped_column(String(6), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    parent: Mapped[str | None] = mapped_column(ForeignKey("divisions.code"), index=True)
    level: Mapped[str] = mapped_column(String(10))
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]


class Department(Base):
    """A department (部门) of one division, known by its unified social credit code."""

    __tablename__ = "departments"

    id: Mapped[int] = mapped_column(primary_key=True)
    uscc: Mapped[str] = mapped_column(String(18), unique=True)
    name: Mapped[str] = mapped_column(String(256))
    division: Mapped[str] = mapped_column(ForeignKey("divisions.code"), index=True)


class System(Base):
    """A department's system (业务系统): a principal at the broker. Of its secret only the SHA-256 is kept."""

    __tablename__ = "systems"

    client_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"), index=True)
    name: Mapped[str] = mapped_column(String(256))
    active: Mapped[bool]
    secret_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    department: Mapped[Department] = relationship(lazy="joined", innerjoin=True)


class User(Base):
    """A person who administers; the password is kept as an argon2 hash."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"), index=True)
    active: Mapped[bool]
    password_hash: Mapped[str] = mapped_column(String(256))
    created_at: Mapped[datetime]
