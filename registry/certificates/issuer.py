"""Issues the certificates of days that are over, and further revisions of what came late."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from exchange.certificate import canonical
from exchange.metrics import Metrics
from registry.catalogue.models import Resource
from registry.certificates.days import DAY, bounds
from registry.certificates.drafting import Draft
from registry.certificates.models import CertificateDay, CertificateRow
from registry.certificates.signer import CertificateSigner
from registry.clock import Clock
from registry.database import Database
from registry.sharing.models import Grant
from registry.workdays import CHINA

log = logging.getLogger(__name__)

INTERVAL_S = 60.0
AT_ONCE = 100  # days of streams in one turn, so that reconciliation does not wait


class Issuer:
    """Turns marked days into certificates; who calls it holds the lease."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        signer: CertificateSigner,
        node: str,
        grace_s: float,
        after_s: float,
    ) -> None:
        """``after_s``: seconds from a day's end, so that what is on its way arrives; ``node``: who certifies."""
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._signer = signer
        self._node = node
        self._grace_ms = int(grace_s * 1000)
        self._after = timedelta(seconds=after_s)
        self._due = 0.0

    def tick(self) -> None:
        """Issue what is due, when it is time to look. Errors: DatabaseUnavailable, Conflict."""
        if time.monotonic() < self._due:
            return
        done = self.issue()
        self._due = 0.0 if done == AT_ONCE else time.monotonic() + INTERVAL_S

    def issue(self) -> int:
        """Issue the certificates of some marked days that are over; return of how many."""
        last = (self._clock() - self._after).astimezone(CHINA).date() - DAY
        due = select(CertificateDay).where(CertificateDay.day <= last)
        with self._database.read() as session:
            marked = list(session.scalars(due.order_by(CertificateDay.day, CertificateDay.slug).limit(AT_ONCE)))
        for each in marked:
            self._certify(each)
        return len(marked)

    def _certify(self, marked: CertificateDay) -> None:
        with self._database.read() as session:
            drafts = [(grant, self._said(session, grant, marked.day)) for grant in _grants(session, marked)]
        with self._database.write() as session:
            for grant, said in drafts:
                if self._keep(session, grant, marked.day, said):
                    self._metrics.add("exchange_certificates_total")
            session.execute(  # not when it was marked again meanwhile: what came then may be in no draft
                delete(CertificateDay).where(
                    CertificateDay.slug == marked.slug,
                    CertificateDay.client_id == marked.client_id,
                    CertificateDay.day == marked.day,
                    CertificateDay.marks == marked.marks,
                )
            )

    def _said(self, session: Session, grant: Grant, day: date) -> dict[str, Any]:
        now = int(self._clock().timestamp() * 1000)
        return {"node": self._node, **Draft(session, grant, day, now, self._grace_ms).said()}

    def _keep(self, session: Session, grant: Grant, day: date, said: Mapping[str, Any]) -> bool:
        """Sign and store, unless the newest revision says the same; return whether it was done."""
        mine = select(CertificateRow).where(CertificateRow.grant_id == grant.id)
        newest = CertificateRow.revision.desc()
        known = session.scalar(mine.where(CertificateRow.day == day).order_by(newest).limit(1))
        content = hashlib.sha256(canonical(said)).hexdigest()
        if known is not None and known.content == content:
            return False
        before = session.scalar(mine.order_by(CertificateRow.id.desc()).limit(1))
        issued = self._clock()
        whole = {
            **said,
            "revision": known.revision + 1 if known else 1,
            "issued_at": issued.astimezone(UTC).isoformat(),
            "previous": hashlib.sha256(before.jws.encode()).hexdigest() if before else None,
        }
        session.add(
            CertificateRow(
                grant_id=grant.id,
                slug=grant.slug,
                client_id=grant.client_id,
                day=day,
                revision=whole["revision"],
                issued_at=issued,
                published=said["published"]["records"],
                landed=said["landed"]["records"],
                differences=said["differences_open"],
                content=content,
                jws=self._signer.sign(whole),
            )
        )
        session.flush()
        return True


def _grants(session: Session, marked: CertificateDay) -> Iterator[Grant]:
    """Return the grants that a marked day is about: the subscriber's own, or all of what the source published."""
    resource = session.get(Resource, marked.slug)
    if resource is None:
        return
    begins, ends = (datetime.fromtimestamp(at / 1000, UTC) for at in bounds(marked.day))
    stood = (Grant.created_at < ends, or_(Grant.ended_at.is_(None), Grant.ended_at > begins))
    wanted = select(Grant).where(Grant.slug == marked.slug, *stood)
    if resource.source_system != marked.client_id:
        wanted = wanted.where(Grant.client_id == marked.client_id)
    yield from session.scalars(wanted.order_by(Grant.id))
