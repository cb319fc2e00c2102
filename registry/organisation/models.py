"""Tables of divisions, nodes, departments, systems and users."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.database import Base


class Division(Base):
    """A division (行政区划): a GB/T 2260 code while it is valid; the depth of the tree is data."""

    __tablename__ = "divisions"

    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    parent: Mapped[str | None] = mapped_column(ForeignKey("divisions.code"), index=True)
    level: Mapped[str] = mapped_column(String(20))
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]


class FormerName(Base):
    """A name that a division had, until the day on which it was renamed."""

    __tablename__ = "division_names"

    code: Mapped[str] = mapped_column(ForeignKey("divisions.code"), primary_key=True)
    valid_to: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))


class Node(Base):
    """Another exchange node (节点) that this one knows of."""

    __tablename__ = "nodes"

    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    division: Mapped[str] = mapped_column(ForeignKey("divisions.code"), index=True)
    parent: Mapped[str | None] = mapped_column(ForeignKey("nodes.code"), index=True)
    created_at: Mapped[datetime]


class Department(Base):
    """A department (部门) of one division, known by its unified social credit code.

    One that was dissolved keeps its row with its last day (``valid_to``) and its successor.
    """

    __tablename__ = "departments"

    id: Mapped[int] = mapped_column(primary_key=True)
    uscc: Mapped[str] = mapped_column(String(18), unique=True)
    name: Mapped[str] = mapped_column(String(256))
    division: Mapped[str] = mapped_column(ForeignKey("divisions.code"), index=True)
    node: Mapped[str | None] = mapped_column(ForeignKey("nodes.code"), index=True)  # None: this node
    valid_to: Mapped[date | None]
    successor_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"), index=True)
    revision: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it)


class System(Base):
    """A department's system (业务系统): a principal at the broker.

    It proves itself with a secret, of which only the SHA-256 is kept, or with a key of its own: one of the two.
    """

    __tablename__ = "systems"

    client_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"), index=True)
    name: Mapped[str] = mapped_column(String(256))
    active: Mapped[bool]
    secret_sha256: Mapped[str | None] = mapped_column(String(64))
    public_key: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # a JWK (RFC 7517)
    created_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column()
    department: Mapped[Department] = relationship(lazy="joined", innerjoin=True)

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it)


class User(Base):
    """A person who administers; the password is kept as an argon2 hash.

    ``duty``: the one of the three (三员) that the account has, or had: it never gets another one.
    """

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    duty: Mapped[str | None] = mapped_column(String(20))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"), index=True)
    division: Mapped[str | None] = mapped_column(ForeignKey("divisions.code"), index=True)
    active: Mapped[bool]
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)  # `sub` at the OIDC provider
    password_hash: Mapped[str] = mapped_column(String(256))
    password_at: Mapped[datetime]
    must_change: Mapped[bool]
    failures: Mapped[int]
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column()
    department: Mapped[Department | None] = relationship(lazy="joined")

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it)


class FormerPassword(Base):
    """The hash of a password that a user had, so that it is not taken again."""

    __tablename__ = "former_passwords"

    id: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name"), index=True)
    password_hash: Mapped[str] = mapped_column(String(256))


class Assertion(Base):
    """A client assertion (RFC 7523) that was taken, so that it is not taken again before it expires."""

    __tablename__ = "assertions"

    client_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    jti_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
