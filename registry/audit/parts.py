"""The audit's parts in one process, put together from the settings."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass

from pydantic import SecretStr

from exchange.errors import DatabaseUnavailable
from registry.audit.bus import HeadTopic
from registry.audit.domain import Algorithm, canonical
from registry.audit.keeper import HeadKeeper
from registry.audit.service import note
from registry.audit.signing import HeadSigner
from registry.audit.tally import Tally
from registry.clock import Clock
from registry.database import Database
from registry.enforcement.broker import ClientConfig
from registry.settings import Settings

log = logging.getLogger(__name__)

DIRECTORY = "audit"
HEADS_FILE = "heads.jsonl"
ITSELF = "registry"  # the actor of what happens by itself


@dataclass(frozen=True)
class Audit:
    """What signs, counts and publishes."""

    signer: HeadSigner
    keeper: HeadKeeper
    tally: Tally
    topic: HeadTopic

    def tick(self, *, leading: bool) -> None:
        """Do what is due: each process writes its own counts, the leading one signs."""
        self.topic.poll()
        self.tally.tick()
        if leading:
            self.keeper.tick()

    def close(self) -> None:
        """Write what was counted until now."""
        try:
            self.tally.flush()
        except DatabaseUnavailable as exc:
            log.warning("the counts of the last minute are lost: %s", exc)


def audit_of(settings: Settings, database: Database, clock: Clock, client: ClientConfig) -> Audit:
    """Return the audit of a process; notes the settings that it starts with."""
    directory = settings.registry.data_dir / DIRECTORY
    signer = HeadSigner(directory)
    topic = HeadTopic(client, settings.broker.timeout_s)
    keeper = HeadKeeper(
        database=database,
        clock=clock,
        signer=signer,
        node=settings.node.division,
        file=directory / HEADS_FILE,
        publisher=topic,
        interval_s=settings.audit.head_interval_s,
    )
    with database.write() as session:
        note(
            session,
            clock,
            actor=ITSELF,
            action="configuration.load",
            target="registry",
            facts=fingerprints(settings),
            algorithm=Algorithm(settings.audit.hash),
        )
    return Audit(signer, keeper, Tally(database, clock), topic)


def fingerprints(settings: Settings) -> dict[str, str]:
    """Return a digest of each group of the settings, so that an auditor sees which one changed; secrets left out."""
    return {
        name: hashlib.sha256(canonical(_told(getattr(settings, name).model_dump())).encode()).hexdigest()[:32]
        for name in type(settings).model_fields
    }


def _told(group: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in group.items() if not isinstance(value, SecretStr)}
