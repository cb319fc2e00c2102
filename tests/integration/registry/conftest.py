from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchange.errors import BrokerUnavailable
from exchange.node.kafka import broker_part, prepare_broker, start_broker
from exchange.node.layout import Layout
from exchange.node.settings import NodeSettings
from registry.access.tokens import Tokens
from registry.clock import utc_now
from registry.enforcement.broker import client_config
from registry.enforcement.fence import Fence
from registry.runtime import keyring_of
from registry.settings import BrokerGroup, DatabaseGroup, EnforcerGroup, ReconciliationGroup, RegistryGroup, Settings
from tests.support.node import BRIEF, node_settings
from tests.support.registry_world import World, world
from tests.support.wait import wait_until


@dataclass(frozen=True)
class LoneBroker:
    """A real broker without a registry process: each test's registry, in this process, governs it in turn."""

    node: NodeSettings
    layout: Layout
    broker: BrokerGroup
    registry: RegistryGroup

    def world(
        self,
        directory: Path,
        *,
        timeout_s: float = 10,
        reconciliation: ReconciliationGroup | None = None,
        **enforcer: Any,
    ) -> AbstractContextManager[World]:
        url = f"sqlite:///{directory}/registry.db"
        return world(
            self.registry.data_dir,
            registry=self.registry,
            broker=self.broker.model_copy(update={"timeout_s": timeout_s}),
            database=DatabaseGroup(url=url),
            enforcer=EnforcerGroup(**enforcer),
            reconciliation=reconciliation or ReconciliationGroup(),
        )

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The broker is away for the length of the block."""
        broker_part(self.layout).stop()
        try:
            yield
        finally:
            start_broker(self.node, self.layout)

    def client(self, subject: str) -> dict[str, Any]:
        """The configuration of a client that logs in as ``subject``."""
        settings = Settings(registry=self.registry, broker=self.broker)
        tokens = Tokens(keyring_of(settings), issuer=self.registry.issuer, ttl_s=900)
        config = client_config(self.broker, tokens)

        def login(_config: str) -> tuple[str, float]:
            token = tokens.issue(subject, ["exchange-broker"])
            return token.text, float(token.expires_at)

        return {**config, "oauth_cb": login, "client.id": subject}


@contextmanager
def lone_broker(directory: Path) -> Iterator[LoneBroker]:
    """Start a broker in ``directory``; it answers when the block begins."""
    node = node_settings(directory, heap="512m", jvm_options=BRIEF)
    layout = Layout.of(node.node.data_dir)
    layout.prepare()
    lone = LoneBroker(
        node,
        layout,
        BrokerGroup(bootstrap_servers=node.bootstrap_servers, jwks_file=layout.jwks, timeout_s=10),
        RegistryGroup(data_dir=layout.registry, issuer=node.registry_url, key_delay_s=0, receipt_grace_s=5),
    )
    keyring_of(Settings(registry=lone.registry, broker=lone.broker), utc_now).ensure()
    prepare_broker(node, layout)
    start_broker(node, layout)
    try:
        wait_until(lambda: _answers(lone), 60, "the broker answers")
        yield lone
    finally:
        broker_part(layout).stop()


@pytest.fixture(scope="package")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneBroker]:
    with lone_broker(tmp_path_factory.mktemp("broker") / "var") as lone:
        yield lone


def _answers(lone: LoneBroker) -> bool:
    try:
        Fence(lone.client("exchange-registry"), 5).prepare()
    except BrokerUnavailable:
        return False
    return True
