"""Writing to the audit: an entry is part of the transaction that it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import event, insert, select, text
from sqlalchemy.orm import Session

from registry.audit.domain import NOTHING, Algorithm, Entry, algorithm_of, canonical
from registry.audit.models import AuditEntry
from registry.clock import Clock

NO_FACTS: Mapping[str, Any] = {}
CHAIN_LOCK = 7_440_001  # any number that no other program locks in the same database
PENDING = "audit.pending"
MOST = 200  # characters of an actor and of a target


@dataclass(frozen=True, slots=True)
class _Note:
    clock: Clock
    actor: str
    action: str
    target: str
    facts: str
    algorithm: Algorithm | None


def note(
    session: Session,
    clock: Clock,
    *,
    actor: str,
    action: str,
    target: str,
    facts: Mapping[str, Any] = NO_FACTS,
    algorithm: Algorithm | None = None,
) -> None:
    """Put an entry into the audit when ``session`` commits, and only then.

    ``actor``: a caller's name, or ``registry`` for what happens by itself. ``action``: like ``request.approve``.
    ``target``: like ``request/17``. ``facts``: what an auditor has to know, without personal data or secrets.
    ``algorithm``: how the chain is hashed from here on; None: as it is. Takes no lock before the commit.
    """
    if not event.contains(session, "before_commit", _append):
        event.listen(session, "before_commit", _append)
        event.listen(session, "after_rollback", _forget)
    waiting: list[_Note] = session.info.setdefault(PENDING, [])
    waiting.append(_Note(clock, _bounded(actor), action, _bounded(target), canonical(facts), algorithm))


def _append(session: Session) -> None:
    waiting: list[_Note] = session.info.pop(PENDING, [])
    if not waiting:
        return
    session.flush()  # first all other locks, then the chain's: nobody waits for another in a circle
    connection = session.connection()
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHAIN_LOCK})
    last = connection.execute(
        select(AuditEntry.number, AuditEntry.hash).order_by(AuditEntry.number.desc()).limit(1)
    ).first()
    number, previous = (last[0], last[1]) if last else (0, NOTHING)
    rows: list[dict[str, Any]] = []
    for waits in waiting:
        number += 1
        algorithm = waits.algorithm or algorithm_of(previous)
        bare = Entry(
            number, waits.clock(), waits.actor, waits.action, waits.target, waits.facts, previous, f"{algorithm.value}:"
        )
        previous = bare.proof()
        rows.append(asdict(replace(bare, hash=previous)))
    connection.execute(insert(AuditEntry), rows)


def _forget(session: Session) -> None:
    session.info.pop(PENDING, None)


def _bounded(word: str) -> str:
    return word.replace("\x00", "")[:MOST]
