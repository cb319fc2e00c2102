"""The thread that carries notices out: onto the bus, then to webhooks, in order for each system."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from exchange.errors import ExchangeError, NotConnected
from exchange.metrics import Metrics
from registry.clock import Clock
from registry.database import Database
from registry.enforcement.lease import LeaseKeeper
from registry.notices import service
from registry.notices.bus import Bus
from registry.notices.domain import Told, backoff, derived_secret
from registry.notices.models import Notice, Webhook
from registry.notices.webhook import Sender

log = logging.getLogger(__name__)

AT_ONCE = 500  # notices of one round
FOR_ONE = 50  # notices of one webhook in one round
WEBHOOKS = 100
HANDS = 8  # webhooks that are called at the same time
LONGEST_ERROR = 200
RENEW_S = 5.0  # well under the time that a lease runs


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a webhook is tried: the first pause in seconds, and when a notice is given up."""

    first_s: float
    give_up: timedelta


class Courier:
    """Carries notices out; of several processes the one with the lease does."""

    def __init__(
        self,
        *,
        bus: Bus,
        sender: Sender,
        key: bytes,
        database: Database,
        lease: LeaseKeeper,
        clock: Clock,
        metrics: Metrics,
        patience: Patience,
        interval_s: float,
    ) -> None:
        self._bus = bus
        self._sender = sender
        self._key = key
        self._database = database
        self._lease = lease
        self._clock = clock
        self._metrics = metrics
        self._patience = patience
        self._interval_s = interval_s
        self._leading = False
        self._renew_at = 0.0
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Begin to carry."""
        self.thread.start()

    def stop(self) -> None:
        """End after the round that runs."""
        self._stop.set()
        self.thread.join()
        self._sender.close()
        try:
            self._lease.release()
        except ExchangeError as exc:
            log.warning("the lease stays until it runs out: %s", exc)

    def round(self) -> None:
        """Carry out once what waits."""
        self._bus.poll()
        if not self._leads():
            return
        try:
            self._publish()
        except ExchangeError as exc:  # webhooks do not wait for the broker
            log.warning("notices are not on the bus yet: %s", exc)
        self._send()

    def secret(self, webhook: Webhook) -> str:
        """Return the secret that signs a webhook's calls."""
        return derived_secret(self._key, webhook.client_id, webhook.salt)

    def _leads(self) -> bool:
        if time.monotonic() >= self._renew_at:
            self._leading = self._lease.hold()
            self._renew_at = time.monotonic() + RENEW_S
        return self._leading

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self.round()
            except ExchangeError as exc:
                log.warning("carrying notices failed, it is tried again: %s", exc)

    def _publish(self) -> None:
        with self._database.read() as session:
            waiting = [
                (notice.client_id or "", service.told(notice)) for notice in service.unpublished(session, AT_ONCE)
            ]
        if not waiting:
            return
        arrived = self._bus.publish(waiting)
        with self._database.write() as session:
            for number in arrived:
                session.get_one(Notice, number).published_at = self._clock()
        self._count("bus", "sent", len(arrived))
        self._count("bus", "failed", len(waiting) - len(arrived))

    def _send(self) -> None:
        with self._database.read() as session:
            due = service.due_webhooks(session, self._clock(), WEBHOOKS)
        if due:
            with ThreadPoolExecutor(HANDS, thread_name_prefix="webhook") as hands:
                list(hands.map(self._serve, due))

    def _serve(self, webhook: Webhook) -> None:
        """Send to one webhook until it refuses or nothing is left."""
        with self._database.read() as session:
            letters = [service.told(notice) for notice in service.next_for(session, webhook, FOR_ONE)]
        for told in letters:
            now = self._clock()
            try:
                self._sender.send(webhook.url, self.secret(webhook), told, now)
            except NotConnected as exc:
                self._failed(webhook, told, str(exc.facts.get("reason", "")), now)
                return
            self._done(webhook, told, now)

    def _done(self, webhook: Webhook, told: Told, now: datetime) -> None:
        with self._database.write() as session:
            session.get_one(Notice, told.id).delivered_at = now
            kept = session.get(Webhook, webhook.client_id)
            if kept is not None and kept.salt == webhook.salt:
                kept.attempts, kept.next_attempt_at, kept.last_error = 0, now, None
        self._count("webhook", "sent", 1)

    def _failed(self, webhook: Webhook, told: Told, reason: str, now: datetime) -> None:
        with self._database.write() as session:
            kept = session.get(Webhook, webhook.client_id)
            if kept is None or kept.salt != webhook.salt:
                return  # it was set anew meanwhile
            kept.attempts += 1
            kept.last_error = reason[:LONGEST_ERROR]
            kept.next_attempt_at = now + backoff(kept.attempts, self._patience.first_s)
            gone = now - told.at > self._patience.give_up
            if gone:  # the next notice gets its turn; this one is on the bus and in the list still
                kept.since, kept.attempts = told.id, 0
        self._count("webhook", "given_up" if gone else "failed", 1)

    def _count(self, way: str, outcome: str, count: int) -> None:
        if count:
            self._metrics.add("exchange_notices_total", count, way=way, outcome=outcome)
