"""What can happen to broker and registry alerts, and stops alerting when it is over."""

from __future__ import annotations

import pytest

from exchange.node.kafka import broker_part, start_broker
from exchange.node.registry import registry_part, start_registry
from registry.enforcement.acls import Acl, Kind, Operation, principal
from tests.integration.adapters.places import people
from tests.integration.monitoring.causes import (
    full_disk,
    replica_lost,
    stranger,
    tasks_of_another,
    without_database,
)
from tests.integration.monitoring.scene import Scene
from tests.support.superuser import Superuser
from tests.support.wait import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600), pytest.mark.usefixtures("calm")]


def test_drift_of_an_acl(here: Scene) -> None:
    stray = Acl(Kind.TOPIC, here.world.catalogue.topic(here.world.code), "LITERAL", principal("nobody"), Operation.READ)
    Superuser(here.node).add(stray)
    here.fires("ExchangeAclDrift")
    here.clears("ExchangeAclDrift")
    assert stray not in Superuser(here.node).acls()


def test_a_disk_that_is_full(here: Scene) -> None:
    folder = here.node.layout.registry
    if not folder.is_mount():
        pytest.skip("a small disk cannot be mounted here")
    with full_disk(folder):
        here.fires("ExchangeDiskAlmostFull")
    here.clears("ExchangeDiskAlmostFull")


def test_a_registry_that_hangs_with_its_tasks(here: Scene) -> None:
    alerts = ("ExchangeAuditHeadStale", "ExchangeReconciliationStale")
    with tasks_of_another(here, "enforcement", "reconciliation"):
        here.world.catalogue.office("audited")
        for alert in alerts:
            here.fires(alert)
    for alert in alerts:
        here.clears(alert)


def test_a_registry_whose_database_is_held(here: Scene) -> None:
    without_database(here, 45)
    here.fires("ExchangeRegistryErrorBudget")
    here.clears("ExchangeRegistryErrorBudget")


DOWN = ("ExchangeBrokerDown", "ExchangeKafkaNotScraped", "ExchangeEnforcementStale", "ExchangeAdapterWaiting")


def test_a_broker_that_is_away(here: Scene) -> None:
    settings, layout = here.node.settings, here.node.layout
    broker_part(layout).stop()
    rows = here.offered + 8
    here.origin.put(people(rows))  # only who has work notices
    try:
        for alert in DOWN:
            here.fires(alert)
    finally:
        start_broker(settings, layout)
    for alert in DOWN:
        here.clears(alert)
    wait_until(lambda: here.landed == rows, 60, "nothing is lost")


def test_a_partition_that_has_lost_a_copy(here: Scene) -> None:
    with replica_lost(here):
        here.fires("ExchangeKafkaPartitionsAtRisk")
    here.clears("ExchangeKafkaPartitionsAtRisk")


def test_a_registry_that_is_away(here: Scene) -> None:
    settings, layout = here.node.settings, here.node.layout
    registry_part(layout).stop()
    try:
        here.fires("ExchangeRegistryDown")
    finally:
        start_registry(settings, layout)
    here.clears("ExchangeRegistryDown")


def test_a_broker_that_refuses_log_ins(here: Scene) -> None:
    with stranger(here):
        here.fires("ExchangeKafkaLoginsRefused")
    here.clears("ExchangeKafkaLoginsRefused")
