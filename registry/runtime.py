"""A registry put together from its settings, and what it does when it starts and stops."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Thread

from exchange.metric_names import OF_REGISTRY
from exchange.metrics import Metrics
from exchange.prometheus import PrometheusMetrics
from registry.access import secrets
from registry.access.keys import Keyring
from registry.access.limits import Limits
from registry.access.tokens import PROBE, Tokens
from registry.audit.parts import Audit, audit_of
from registry.catalogue import directory
from registry.certificates.issuer import Issuer
from registry.certificates.signer import CertificateSigner
from registry.clock import Clock, utc_now
from registry.database import Database, database_url
from registry.enforcement.acls import Policy, principal
from registry.enforcement.broker import Broker, ClientConfig, client_config
from registry.enforcement.enforcer import Enforcer
from registry.enforcement.fence import Fence
from registry.enforcement.lease import LeaseKeeper
from registry.enforcement.loop import Loop
from registry.enforcement.probe import Probe
from registry.evaluation.service import Method
from registry.history.tally import Tally
from registry.migrate import migrate
from registry.notices.bus import Bus
from registry.notices.courier import Courier, Patience
from registry.notices.domain import Network, networks
from registry.notices.webhook import Sender
from registry.objections.service import Deadlines
from registry.observation.observer import Observer
from registry.organisation import divisions
from registry.organisation.domain import Role
from registry.organisation.models import User
from registry.organisation.users import NewUser, add_user
from registry.provenance.finder import TopicFinder
from registry.receipts.intake import Intake
from registry.receipts.matching import Matcher
from registry.receipts.rounds import InTurn, Rounds
from registry.receipts.witness import TopicWitness
from registry.settings import Settings
from registry.sharing.duty import Duty
from registry.sharing.rules import Rules
from registry.workdays import Workdays

FIRST_USERS = {"admin": Role.SYSTEM_ADMIN, "security": Role.SECURITY_ADMIN, "auditor": Role.AUDITOR}
LEASE_TTL_S = 20.0
LEASE_TASK = "enforcement"
COURIER_TASK = "notices"
RECONCILIATION_TASK = "reconciliation"
CERTIFICATES_DIR = "certificates"
HISTORY_TASK = "history"
HISTORY_INTERVAL_S = 60.0
WEBHOOK_KEY_FILE = "webhook.key"
PROVENANCE_KEY_FILE = "provenance.key"


@dataclass(frozen=True)
class Runtime:
    """The parts of one registry process."""

    settings: Settings
    database: Database
    keyring: Keyring
    tokens: Tokens
    metrics: PrometheusMetrics
    lease: LeaseKeeper
    audit: Audit
    limits: Limits
    enforcer: Enforcer
    loop: Loop
    intake: Intake
    clock: Clock
    rules: Rules
    deadlines: Deadlines
    duty: Duty
    courier: Courier
    observer: Observer
    matcher: Matcher
    rounds: Rounds
    certificates: CertificateSigner
    issuer: Issuer
    finder: TopicFinder
    provenance_key: bytes = field(repr=False)
    tally: Tally
    history: Rounds
    method: Method

    @property
    def webhook_networks(self) -> tuple[Network, ...]:
        """The private networks that webhooks may lead to."""
        return networks(self.settings.notices.webhook_networks)

    @property
    def threads(self) -> dict[str, Thread]:
        """The threads that work as long as the process does, by name."""
        parts = (self.loop, self.intake, self.courier, self.rounds, self.history, self.observer)
        return {part.thread.name: part.thread for part in parts}

    def start(self) -> None:
        """Begin to enforce, to take receipts in, to carry notices out, and to count."""
        self.loop.start()
        self.intake.start()
        self.courier.start()
        self.rounds.start()
        self.history.start()
        self.observer.start()

    def stop(self) -> None:
        """End the threads and close the database."""
        self.observer.stop()
        self.history.stop()
        self.rounds.stop()
        self.intake.stop()
        self.courier.stop()
        self.loop.stop()
        self.audit.close()
        self.database.close()


def keyring_of(settings: Settings, clock: Clock = utc_now) -> Keyring:
    """Return the keys in the data directory."""
    return Keyring(
        settings.registry.data_dir / "keys",
        jwks_file=settings.broker.jwks_file,
        token_ttl_s=settings.registry.token_ttl_s,
        delay_s=settings.registry.key_delay_s,
        clock=clock,
    )


def prepare(settings: Settings, database: Database, keyring: Keyring, clock: Clock = utc_now) -> None:
    """Migrate the database, make the keys, seed the divisions and the first of each of the three administrators."""
    settings.registry.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate(database)
    keyring.ensure()
    with database.write() as session:
        divisions.seed(session)
        directory.seed(session)
        for name, role in FIRST_USERS.items():
            if session.get(User, name) is None:
                password = _first_password(settings.registry.data_dir / f"{name}.password")
                add_user(session, clock, NewUser(name, password, role), by="registry")


def build(settings: Settings, clock: Clock = utc_now) -> Runtime:
    """Return a registry that is prepared and not yet started. Errors: DatabaseUnavailable."""
    database = Database(database_url(settings))
    keyring = keyring_of(settings, clock)
    prepare(settings, database, keyring, clock)
    group = settings.registry
    tokens = Tokens(keyring, issuer=group.issuer, ttl_s=group.token_ttl_s, clock=clock)
    metrics = PrometheusMetrics(OF_REGISTRY)
    client = client_config(settings.broker, tokens)
    patience = settings.broker.timeout_s
    holder = f"{socket.gethostname()}:{group.port}"  # a process that comes back takes its own lease at once
    lease = LeaseKeeper(database, clock, task=LEASE_TASK, holder=holder, ttl_s=LEASE_TTL_S)
    broker = Broker(client, patience)
    enforcer = Enforcer(
        broker=broker,
        fence=Fence(client, patience) if settings.enforcer.fence else None,
        probe=Probe(client_config(settings.broker, tokens, PROBE), broker, patience),
        database=database,
        policy=_policy(settings),
        metrics=metrics,
        settle_s=patience,
    )
    limits = Limits(settings.limits)
    audit = audit_of(settings, database, clock, client)
    workdays = Workdays.from_file(settings.sharing.calendar_file)
    rules = Rules(clock, workdays, settings.sharing)
    deadlines = Deadlines(clock, workdays, settings.objections)
    duty = Duty(database, rules, deadlines)
    loop = Loop(
        enforcer=enforcer,
        keyring=keyring,
        database=database,
        lease=lease,
        audit=audit,
        duty=duty,
        clock=clock,
        metrics=metrics,
        interval_s=settings.enforcer.interval_s,
    )
    intake = Intake(
        config=client,
        database=database,
        clock=clock,
        metrics=metrics,
        signatures_required=settings.reconciliation.signatures == "require",
    )
    courier = _courier(settings, client, database, clock, metrics, holder)
    observer = Observer(
        database=database,
        keyring=keyring,
        ping=enforcer.ping,
        clock=clock,
        metrics=metrics,
        settings=settings,
    )
    matcher = Matcher(
        database=database, clock=clock, metrics=metrics, witness=TopicWitness(client), grace_s=group.receipt_grace_s
    )
    matching = LeaseKeeper(database, clock, task=RECONCILIATION_TASK, holder=holder, ttl_s=LEASE_TTL_S)
    certificates = CertificateSigner(group.data_dir / CERTIFICATES_DIR)
    issuer = Issuer(
        database=database,
        clock=clock,
        metrics=metrics,
        signer=certificates,
        node=settings.node.division,
        grace_s=group.receipt_grace_s,
        after_s=settings.reconciliation.certificate_after_s,
    )
    tally = Tally(database, clock)
    writing = LeaseKeeper(database, clock, task=HISTORY_TASK, holder=holder, ttl_s=LEASE_TTL_S)
    return Runtime(
        settings,
        database,
        keyring,
        tokens,
        metrics,
        lease,
        audit,
        limits,
        enforcer,
        loop,
        intake,
        clock,
        rules,
        deadlines,
        duty,
        courier,
        observer,
        matcher,
        Rounds(InTurn(matcher.round, issuer.tick), matching, settings.reconciliation.interval_s),
        certificates,
        issuer,
        TopicFinder(client, patience),
        _private_key(group.data_dir / PROVENANCE_KEY_FILE),
        tally,
        Rounds(tally, writing, HISTORY_INTERVAL_S, HISTORY_TASK),
        Method(clock, workdays, settings.evaluation),
    )


def _courier(
    settings: Settings, client: ClientConfig, database: Database, clock: Clock, metrics: Metrics, holder: str
) -> Courier:
    group = settings.notices
    return Courier(
        bus=Bus(client, settings.broker.timeout_s),
        sender=Sender(networks(group.webhook_networks), group.webhook_timeout_s),
        key=_private_key(settings.registry.data_dir / WEBHOOK_KEY_FILE),
        database=database,
        lease=LeaseKeeper(database, clock, task=COURIER_TASK, holder=holder, ttl_s=LEASE_TTL_S),
        clock=clock,
        metrics=metrics,
        patience=Patience(group.webhook_backoff_s, timedelta(hours=group.webhook_give_up_h)),
        interval_s=group.interval_s,
    )


def _policy(settings: Settings) -> Policy:
    group = settings.enforcer
    return Policy(
        remove_unknown=group.unknown_acls == "remove", preserved=(principal(PROBE), *group.preserve_principals)
    )


def _first_password(path: Path) -> str:
    if not path.exists():
        secrets.write_private(path, secrets.new_secret().encode())
    return path.read_text(encoding="utf-8").strip()


def _private_key(path: Path) -> bytes:
    if not path.exists():
        secrets.write_private(path, secrets.new_secret().encode())
    return path.read_bytes()
