"""Signs the chain's head at intervals, keeps it in database and file, and publishes it on the bus."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.errors import NotConnected
from registry.audit.models import AuditEntry, AuditHead
from registry.audit.signing import Head, HeadSigner
from registry.clock import Clock
from registry.database import Database
from registry.errors import BrokerRefused, Conflict

log = logging.getLogger(__name__)

RETRY_S = 5.0  # while the broker is away


class Publisher(Protocol):
    """Where heads are published."""

    def publish(self, head: Head) -> None:
        """Publish a head. Errors: BrokerUnavailable, BrokerRefused."""


class HeadKeeper:
    """Holds the signed head at most ``interval_s`` behind the chain."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        signer: HeadSigner,
        node: str,
        file: Path,
        publisher: Publisher,
        interval_s: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._signer = signer
        self._node = node
        self._file = file
        self._publisher = publisher
        self._interval_s = interval_s
        self._due = 0.0
        self._published = 0

    def tick(self) -> None:
        """Do it when it is time."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._interval_s
        head = self.sign()
        if head is None or head.number <= self._published:
            return
        try:
            self._publisher.publish(head)
        except (NotConnected, BrokerRefused) as exc:
            log.warning("the audit's head is not published, it is tried again: %s", exc)
            self._due = time.monotonic() + min(RETRY_S, self._interval_s)
            return
        self._published = head.number

    def sign(self) -> Head | None:
        """Sign the chain as it is now, unless that is done already; return the newest head, None without entries."""
        with self._database.read() as session:
            last = session.scalar(select(AuditEntry).order_by(AuditEntry.number.desc()).limit(1))
            newest = newest_head(session, self._node)
        if last is None or (newest is not None and newest.number >= last.number):
            return newest
        head = self._signer.sign(Head(self._node, last.number, last.hash, self._clock()))
        try:
            with self._database.write() as session:
                session.add(
                    AuditHead(number=head.number, hash=head.hash, at=head.at, kid=head.kid, signature=head.signature)
                )
        except Conflict:  # another process has signed the same entry
            return head
        self._keep(head)
        return head

    def _keep(self, head: Head) -> None:
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(json.dumps(head.as_json(), sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def head_of(row: AuditHead, node: str) -> Head:
    """Return the head in a row."""
    return Head(node, row.number, row.hash, row.at, row.kid, row.signature)


def newest_head(session: Session, node: str) -> Head | None:
    """Return the head that was signed last."""
    row = session.scalar(select(AuditHead).order_by(AuditHead.number.desc()).limit(1))
    return head_of(row, node) if row else None
