"""What makes an alert fire, done to the real parts; each is undone at the end of its ``with``."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from adapters.history import StateFolder
from exchange.errors import ExchangeError
from exchange.kafka import Broker
from exchange.registry_client import RegistryClient
from tests.integration.adapters.places import SqlTarget, people
from tests.integration.monitoring.scene import Scene
from tests.support.catalogue import Catalogue
from tests.support.second_broker import FIRST, SECOND, second_broker
from tests.support.superuser import Superuser
from tests.support.wait import wait_until

DISK = "48m"
MANY = 6  # requests that are refused: more than the share of faults that the service level allows
LOG_MB = 80  # of the source database, more than the slot may keep in these tests


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A small disk of its own at ``folder``; whether it could be had: that takes the right to mount."""
    folder.mkdir(parents=True, mode=0o700)
    mount = shutil.which("mount") or "mount"
    argv = [mount, "-t", "tmpfs", "-o", f"size={DISK},mode=700", "exchange-test", str(folder)]
    made = subprocess.run(argv, capture_output=True, check=False, timeout=20).returncode == 0
    try:
        yield made
    finally:
        if made:
            subprocess.run([shutil.which("umount") or "umount", "-l", str(folder)], check=True, timeout=20)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """A file that takes nearly all room; what the registry needs meanwhile is left."""
    filler = folder / "filler"
    room = shutil.disk_usage(folder)
    try:
        with filler.open("wb") as file:
            file.write(bytes(room.free - room.total // 14))
        yield
    finally:
        filler.unlink()


def write_certificate(file: Path, days: int) -> None:
    """A certificate that ends in so many days."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, None)
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))


@contextmanager
def expiring(certificate: Path) -> Iterator[None]:
    """A certificate that was forgotten, and then renewed."""
    write_certificate(certificate, 10)
    yield
    write_certificate(certificate, 365)


@contextmanager
def slow(target: SqlTarget, seconds: float) -> Iterator[None]:
    """Every statement that lands rows takes so long."""
    with target.engine.begin() as database:
        body = f"BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END"
        database.execute(text(f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS '{body}'"))
        database.execute(text("CREATE TRIGGER slow BEFORE INSERT ON people FOR EACH STATEMENT EXECUTE FUNCTION slow()"))
    try:
        yield
    finally:
        with target.engine.begin() as database:
            database.execute(text("DROP FUNCTION slow CASCADE"))


@contextmanager
def slot_left_behind(scene: Scene) -> Iterator[None]:
    """The source database works on, while the adapter that holds a slot there is paused."""
    folder = StateFolder(scene.files["captured"].parent / "state", "captured")
    folder.pause()
    with scene.captured.engine.begin() as database:
        database.execute(
            text(f"SELECT pg_logical_emit_message(false, 't', repeat('x', {2**20})) FROM generate_series(1, {LOG_MB})")
        )
    try:
        yield
    finally:
        folder.resume()
        with scene.captured.engine.begin() as database:
            database.execute(text("CHECKPOINT"))  # lets the slot move past what it keeps, with the next row
        scene.captured.put(people(21))


@contextmanager
def tasks_of_another(scene: Scene, *tasks: str) -> Iterator[None]:
    """Another registry process holds these tasks and does nothing: it hangs."""
    statement = "UPDATE leases SET holder = ?, until = ? WHERE task = ?"
    for task in tasks:
        scene.registry_says(statement, "another:1", "2099-01-01 00:00:00.000000", task)
    try:
        yield
    finally:
        for task in tasks:
            scene.registry_says(statement, "another:1", "2020-01-01 00:00:00.000000", task)


def without_database(scene: Scene, seconds: float) -> None:
    """Another program holds the registry's database so long; those who want to change something are told 503."""

    until = time.monotonic() + seconds

    def change(catalogue: Catalogue) -> None:
        while time.monotonic() < until:  # to the end: who looks for the alert looks after that
            with suppress(ExchangeError):
                catalogue.office("late")

    asking = [threading.Thread(target=change, args=[Catalogue(scene.node)]) for _ in range(MANY)]

    with closing(sqlite3.connect(scene.node.layout.registry / "registry.db", timeout=20)) as database:
        database.execute("BEGIN IMMEDIATE")
        for each in asking:
            each.start()
        time.sleep(seconds)
        database.rollback()
    for each in asking:
        each.join()


@contextmanager
def replica_lost(scene: Scene) -> Iterator[None]:
    """A topic has a copy at a second broker, which ends; at the end of the block it is back, and the topic goes."""
    topic = "replicated"
    with second_broker(scene.node.settings, scene.node.layout) as second:
        admin = Superuser(scene.node).admin()
        wait_until(lambda: SECOND in admin.list_topics(timeout=10).brokers, 60, "the second broker has joined")
        made = admin.create_topics([NewTopic(topic, 1, replica_assignment=[[FIRST, SECOND]])])
        made[topic].result(20)
        second.stop()
        try:
            yield
        finally:
            second.start()
            wait_until(lambda: _in_sync(admin, topic), 60, "the copy is whole again")
            admin.delete_topics([topic])[topic].result(20)


def _in_sync(admin: AdminClient, topic: str) -> bool:
    return SECOND in admin.list_topics(topic, timeout=10).topics[topic].partitions[0].isrs


@contextmanager
def stranger(scene: Scene) -> Iterator[None]:
    """A program that logs in with a token that nobody issued, again and again."""
    forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."
    client = Producer(
        {
            "bootstrap.servers": scene.node.bootstrap_servers,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "oauth_cb": lambda _: (forged, time.time() + 3600),
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
        }
    )
    ended = threading.Event()

    def knock() -> None:
        while not ended.is_set():
            client.poll(0.2)

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        yield
    finally:
        ended.set()
        knocking.join()


def peep(scene: Scene, topic: str) -> None:
    """A system asks for a topic that it was not granted."""
    settings = scene.world.reader.settings
    registry = RegistryClient(settings.registry, settings.identity)
    try:
        producer = Producer(Broker.of(settings, registry).config())
        producer.poll(0)
        with suppress(KafkaException):
            assert producer.list_topics(topic, timeout=20).topics[topic].error is not None
    finally:
        registry.close()
