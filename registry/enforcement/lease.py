"""A lease in the database, so that one of several registry processes does what only one should do."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, update

from registry.clock import Clock
from registry.database import Database
from registry.enforcement.models import Lease
from registry.errors import Conflict


class LeaseKeeper:
    """Takes, renews and gives back one lease. Errors: DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock, *, task: str, holder: str, ttl_s: float) -> None:
        self._database = database
        self._clock = clock
        self._task = task
        self._holder = holder
        self._ttl = timedelta(seconds=ttl_s)

    def hold(self) -> bool:
        """Take or renew the lease; whether this process holds it now."""
        now = self._clock()
        free = or_(Lease.holder == self._holder, Lease.until < now)
        with self._database.write() as session:
            taken = session.execute(
                update(Lease)
                .where(Lease.task == self._task, free)
                .values(holder=self._holder, until=now + self._ttl)
                .returning(Lease.task)
            ).first()
            known = taken is not None or session.get(Lease, self._task) is not None
        return taken is not None if known else self._first(now)

    def succeeded(self) -> None:
        """Note that the task was done."""
        self._set(succeeded_at=self._clock())

    def done_elsewhere(self) -> datetime | None:
        """Return when another process, which holds the lease now, has last done the task; None: there is none."""
        with self._database.read() as session:
            lease = session.get(Lease, self._task)
        if lease is None or lease.holder == self._holder or lease.until <= self._clock():
            return None
        return lease.succeeded_at

    def release(self) -> None:
        """Give the lease back."""
        self._set(until=self._clock() - timedelta(seconds=1))

    def _set(self, **values: datetime) -> None:
        with self._database.write() as session:
            session.execute(
                update(Lease).where(Lease.task == self._task, Lease.holder == self._holder).values(**values)
            )

    def _first(self, now: datetime) -> bool:
        try:
            with self._database.write() as session:
                session.add(Lease(task=self._task, holder=self._holder, until=now + self._ttl))
        except Conflict:  # another process was first
            return False
        return True
