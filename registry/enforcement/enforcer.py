"""Makes the broker equal to the grants: at once for what a decision touches, and whole on a timer.

No lock spans broker and database. The broker is read first and the database after it, the difference is applied, and
then the database is read again and whatever a decision has changed meanwhile is taken back: whichever process comes
last, an ACL without a grant does not stay. Within this process one enforcement changes the broker at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from exchange.errors import BrokerUnavailable, ExchangeError, NotConnected
from exchange.logs import IDS, about
from exchange.metrics import Metrics
from exchange.tracing import CURRENT, TRACING, Span, Value, new_span
from registry.database import Database
from registry.enforcement import snapshot
from registry.enforcement.acls import (
    EVERYTHING,
    Acl,
    Difference,
    Policy,
    Scope,
    desired_acls,
    desired_topics,
    difference,
    granted_acls,
    undo,
)
from registry.enforcement.broker import Broker
from registry.enforcement.fence import Fence
from registry.enforcement.probe import Probe
from registry.errors import BrokerRefused

log = logging.getLogger(__name__)
Cause = tuple[Mapping[str, str], Span | None]  # whose decision it is: ids of the log, and place in a trace

UNDO_ROUNDS = 5  # decisions that overtake one enforcement; what is left is the next comparison's
POLL_S = 0.01
SEEN_S = 1.0  # a new ACL is waited for so long: another process may have taken it back already
MOST_TOLD = 100  # ACLs that one comparison names in the log
FEW = 5  # topics, or ACLs, that are asked for one by one


class Enforcer:
    """Holds the broker equal to the database. ``fence`` None: parked fetches are not completed."""

    def __init__(
        self,
        *,
        broker: Broker,
        fence: Fence | None,
        probe: Probe,
        database: Database,
        policy: Policy,
        metrics: Metrics,
        settle_s: float,
    ) -> None:
        self._broker = broker
        self._fence = fence
        self._probe = probe
        self._database = database
        self._policy = policy
        self._metrics = metrics
        self._settle_s = settle_s
        self._lock = threading.Lock()
        self._pending: dict[Scope, Cause] = {}
        self._touched: set[Scope] = set()  # enforced since the comparison that runs now has read the broker
        self._unfenced: set[Acl] = set()
        self._reported: frozenset[Acl] = frozenset()
        self._away = threading.Event()
        self._compared_at: float | None = None

    @property
    def compared_ago_s(self) -> float | None:
        """Seconds since this process has last compared the whole broker; None: never."""
        return None if self._compared_at is None else time.monotonic() - self._compared_at

    @property
    def pending(self) -> bool:
        """Whether a decision waits for the broker."""
        return bool(self._pending or self._unfenced)

    def poll(self) -> None:
        """Serve the clients' callbacks; once a second is enough."""
        self._broker.poll()
        self._probe.poll()
        if self._fence:
            self._fence.poll()

    def ping(self) -> None:
        """Ask the broker for a sign of life. Errors: BrokerUnavailable, BrokerRefused."""
        self._broker.acls(Scope(client_id="exchange-ping"))

    def enforce(self, scope: Scope) -> bool:
        """Apply a decision that is committed; False: the broker is away, and it will be done by ``retry``."""
        if not self._away.is_set():
            with self._lock:
                if self._try(scope):
                    return True
        self._pending[scope] = (IDS.get(), CURRENT.get())
        return False

    def retry(self) -> None:
        """Do what the broker was away for, and notice that it is back: the next decision is enforced at once."""
        if not self.pending and not self._away.is_set():
            return
        try:
            self.ping()
        except ExchangeError:
            return
        self._away.clear()
        for scope, cause in tuple(self._pending.items()):
            with self._lock, _because(cause):
                if self._try(scope):
                    self._pending.pop(scope, None)
        with self._lock, self._failing():
            self._complete_parked_fetches()

    def reconcile(self) -> bool:
        """Compare the whole broker with the database and repair it; whether it succeeded. Repairs are counted."""
        with self._failing() as outcome, self._timed("full"):
            with self._lock:
                self._touched.clear()
            self._hold_topics(EVERYTHING, settings_too=True)
            actual = self._broker.acls(EVERYTHING)
            drift = self._diff(EVERYTHING, actual)  # the long part: decisions do not wait for it
            with self._lock:
                done = self._apply(EVERYTHING, self._untouched(drift))
                self._touched.clear()
            self._count(done, drift.report)
            if self._fence:
                self._fence.prepare()
        if not outcome:
            self._away.clear()
            self._compared_at = time.monotonic()
        return not outcome

    def _try(self, scope: Scope) -> bool:
        began = time.perf_counter()
        with self._failing() as outcome, self._timed("decision"):
            self._touched.add(scope)
            self._hold_topics(scope, settings_too=False)
            done = self._apply(scope, self._decided(scope))
            _tell(scope, done, time.perf_counter() - began)
        return not outcome

    def _decided(self, scope: Scope) -> Difference:
        """Return what a decision changes; about one grant it is known without asking a broker full of ACLs first."""
        if scope.client_id is None or scope.topic is None:
            return replace(self._diff(scope, self._broker.acls(scope)), report=frozenset())
        allowed = self._desired(scope)
        granted = frozenset(
            acl for acl in granted_acls(scope.client_id, scope.topic) if not self._policy.preserves(acl)
        )
        return Difference(allowed, granted - allowed, frozenset())

    def _diff(self, scope: Scope, actual: frozenset[Acl]) -> Difference:
        desired = self._desired(scope)
        with self._database.read() as session:
            known = snapshot.known_principals(session) if not self._policy.remove_unknown else frozenset()
        return difference(actual, desired, self._policy, known)

    def _untouched(self, found: Difference) -> Difference:
        """Return what of a whole comparison is not about decisions that were enforced while it was made."""
        fresh = tuple(self._touched)
        return Difference(*(_without(acls, fresh) for acls in (found.add, found.remove, found.report)))

    def _desired(self, scope: Scope) -> frozenset[Acl]:
        with self._database.read() as session:
            acls = desired_acls(snapshot.read(session, scope))
        return frozenset(acl for acl in acls if scope.holds(acl))

    def _apply(self, scope: Scope, wanted: Difference) -> Difference:
        """Apply a difference, then take back what was overtaken; return what was really done at first."""
        step, first = wanted, None
        for _ in range(UNDO_ROUNDS):
            if not step.add and not step.remove:
                break
            done = self._change(scope, step)
            first = first or done
            step = undo(step, self._desired(scope))
        self._complete_parked_fetches()
        return first or wanted

    def _change(self, scope: Scope, step: Difference) -> Difference:
        self._broker.add(step.add)
        # Noted before the removal: an answer that is lost must not lose the fence.
        self._unfenced |= {acl for acl in step.remove if acl.opens_reading}
        removed = self._broker.remove(step.remove)
        self._settle(scope, step)
        return replace(step, remove=removed)

    def _settle(self, scope: Scope, step: Difference) -> None:
        """Wait until the broker itself says so: its controller has answered before it has heard."""
        began, pause, changed = time.monotonic(), threading.Event(), step.add | step.remove
        while True:
            there = self._broker.present(changed) if len(changed) <= FEW else self._broker.acls(scope)
            waited = time.monotonic() - began
            if not step.remove & there and (step.add <= there or waited > SEEN_S):
                return
            if waited > self._settle_s:
                raise BrokerUnavailable(reason="a removed ACL is still there")
            pause.wait(POLL_S)

    def _complete_parked_fetches(self) -> None:
        if not self._unfenced:
            return
        self._probe.wait()  # else a broker that has not heard would park the next fetch too
        if self._fence:
            literal = {acl.name for acl in self._unfenced if acl.pattern == "LITERAL" and acl.name != "*"}
            few = len(literal) == len({acl.name for acl in self._unfenced}) and len(literal) <= FEW
            there = self._broker.topics(literal if few else None)
            self._fence.raise_in(
                {
                    topic: count
                    for topic, count in there.items()
                    if not topic.startswith("__") and any(acl.covers(topic) for acl in self._unfenced)
                }
            )
        self._unfenced.clear()

    def _hold_topics(self, scope: Scope, *, settings_too: bool) -> None:
        if scope.client_id is not None and scope.topic is not None:
            return  # a grant changes no topic
        with self._database.read() as session:
            specs = desired_topics(snapshot.read(session, scope))
        if scope.client_id is not None:
            specs = {name: spec for name, spec in specs.items() if name.startswith("_exchange.")}
        elif scope.topic is not None:
            specs = {name: spec for name, spec in specs.items() if name in scope.topics}
        if not specs:
            return
        there = self._broker.topics(None if settings_too else set(specs))
        self._broker.create(spec for name, spec in specs.items() if name not in there)
        if settings_too:
            self._broker.repair(self._broker.drifted([spec for name, spec in specs.items() if name in there]))

    def _count(self, done: Difference, reported: frozenset[Acl]) -> None:
        fresh = reported - self._reported
        self._reported = reported
        for action, acls in (("added", done.add), ("removed", done.remove), ("reported", fresh)):
            if not acls:
                continue
            self._metrics.add("exchange_acl_drift_total", len(acls), action=action)
            for acl in sorted(acls)[:MOST_TOLD]:
                log.warning("ACL drift %s: %s", action, acl)
            if len(acls) > MOST_TOLD:
                log.warning("ACL drift %s: %s more", action, len(acls) - MOST_TOLD)

    @contextmanager
    def _timed(self, scope: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._metrics.observe("exchange_enforcement_seconds", time.perf_counter() - start, scope=scope)

    @contextmanager
    def _failing(self) -> Iterator[list[ExchangeError]]:
        """Collect the failure of the block, if any: it is counted, and tried again later."""
        failures: list[ExchangeError] = []
        try:
            yield failures
        except (NotConnected, BrokerRefused) as exc:
            failures.append(exc)
            if isinstance(exc, BrokerUnavailable):
                self._away.set()
            self._metrics.add("exchange_enforcement_failures_total")
            log.warning("enforcement failed, it is tried again: %s", exc)


def _tell(scope: Scope, done: Difference, seconds: float) -> None:
    """Say what became of a decision at the broker, under the id of the request that made it."""
    who, what = scope.client_id or "all", scope.topic or "all"
    log.info(
        "enforced %s on %s: allows %d, removed %d, %.0f ms", who, what, len(done.add), len(done.remove), seconds * 1000
    )
    span = CURRENT.get()
    if TRACING.on and span is not None:
        facts: dict[str, Value] = {
            "exchange.client_id": who,
            "exchange.topic": what,
            "exchange.acls_removed": len(done.remove),
        }
        TRACING.record("enforce", Span(span.trace, new_span(), span.span), seconds, facts)


@contextmanager
def _because(cause: Cause) -> Iterator[None]:
    """Do the block for a request that was answered before."""
    ids, span = cause
    token = CURRENT.set(span)
    try:
        with about(**ids):
            yield
    finally:
        CURRENT.reset(token)


def _without(acls: frozenset[Acl], scopes: tuple[Scope, ...]) -> frozenset[Acl]:
    return frozenset(acl for acl in acls if not any(scope.holds(acl) for scope in scopes))
