"""A registry put together from its settings, and what it does when it starts and stops."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from exchange.prometheus import PrometheusMetrics
from registry.access import secrets
from registry.access.keys import Keyring
from registry.access.tokens import Tokens
from registry.clock import Clock, utc_now
from registry.database import Database, database_url
from registry.enforcement.acls import Policy
from registry.enforcement.broker import Broker, client_config
from registry.enforcement.enforcer import Enforcer
from registry.enforcement.fence import Fence
from registry.enforcement.lease import LeaseKeeper
from registry.enforcement.loop import Loop
from registry.migrate import migrate
from registry.organisation import divisions
from registry.organisation.domain import Role
from registry.organisation.models import User
from registry.organisation.service import add_user
from registry.receipts.intake import Intake
from registry.settings import Settings

ADMIN = "admin"
ADMIN_PASSWORD_FILE = "admin.password"  # noqa: S105 (the name of the file)
LEASE_TTL_S = 20.0
LEASE_TASK = "enforcement"


@dataclass(frozen=True)
class Runtime:
    """The parts of one registry process."""

    settings: Settings
    database: Database
    keyring: Keyring
    tokens: Tokens
    metrics: PrometheusMetrics
    lease: LeaseKeeper
    enforcer: Enforcer
    loop: Loop
    intake: Intake
    clock: Clock

    def start(self) -> None:
        """Begin to enforce and to take receipts in."""
        self.loop.start()
        self.intake.start()

    def stop(self) -> None:
        """End the threads and close the database."""
        self.intake.stop()
        self.loop.stop()
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
    """Migrate the database, make the keys, seed the divisions and the first administrator."""
    settings.registry.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate(database)
    keyring.ensure()
    with database.write() as session:
        divisions.seed(session)
        if session.get(User, ADMIN) is None:
            password = _first_password(settings.registry.data_dir / ADMIN_PASSWORD_FILE)
            add_user(session, clock, name=ADMIN, password=password, role=Role.SYSTEM_ADMIN, department_id=None)


def build(settings: Settings, clock: Clock = utc_now) -> Runtime:
    """Return a registry that is prepared and not yet started. Errors: DatabaseUnavailable."""
    database = Database(database_url(settings))
    keyring = keyring_of(settings, clock)
    prepare(settings, database, keyring, clock)
    group = settings.registry
    tokens = Tokens(keyring, issuer=group.issuer, ttl_s=group.token_ttl_s, clock=clock)
    metrics = PrometheusMetrics()
    client = client_config(settings.broker, tokens)
    patience = settings.broker.timeout_s
    holder = f"{socket.gethostname()}:{group.port}"  # a process that comes back takes its own lease at once
    lease = LeaseKeeper(database, clock, task=LEASE_TASK, holder=holder, ttl_s=LEASE_TTL_S)
    enforcer = Enforcer(
        broker=Broker(client, patience),
        fence=Fence(client, patience) if settings.enforcer.fence else None,
        database=database,
        policy=_policy(settings),
        metrics=metrics,
        settle_s=patience,
    )
    loop = Loop(
        enforcer=enforcer,
        keyring=keyring,
        database=database,
        lease=lease,
        clock=clock,
        metrics=metrics,
        interval_s=settings.enforcer.interval_s,
    )
    intake = Intake(config=client, database=database, clock=clock, metrics=metrics)
    return Runtime(settings, database, keyring, tokens, metrics, lease, enforcer, loop, intake, clock)


def _policy(settings: Settings) -> Policy:
    group = settings.enforcer
    return Policy(remove_unknown=group.unknown_acls == "remove", preserved=tuple(group.preserve_principals))


def _first_password(path: Path) -> str:
    if not path.exists():
        secrets.write_private(path, secrets.new_secret().encode())
    return path.read_text(encoding="utf-8").strip()
