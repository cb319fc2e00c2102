"""A real Prometheus scrapes a real run: every query of rules and dashboards is put to it, alerts fire and clear."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from confluent_kafka import Producer
from sqlalchemy import inspect

from adapters.history import StateFolder
from exchange.contract import receipts_topic
from exchange.kafka import Broker
from exchange.node.kafka import broker_part, start_broker
from exchange.node.registry import registry_part, start_registry
from exchange.receipts import Receipt, Side, hex_digest
from exchange.registry_client import RegistryClient
from registry.enforcement.acls import Acl, Kind, Operation, principal
from tests.integration.adapters.places import people
from tests.integration.monitoring.scene import REGISTRY, Scene, rules, scene
from tests.support.catalogue import Office
from tests.support.prometheus import ROOT
from tests.support.superuser import Superuser
from tests.support.wait import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

# Queries that rightly return nothing here, each with its reason.
EMPTY = {
    "exchange_objections_overdue > 0": "nobody objected",
    "exchange_certificate_expiry_timestamp_seconds": "the embedded node has no certificates",
    "exchange_replication_slot_bytes": "the source is a CSV file",
    "exchange_rejected_records_total": "nothing was rejected",
    "exchange_quality_total": "the adapter file has no quality rules",
    "exchange_evaluation_score": "no period was evaluated",
    "exchange_evaluation_indicator_ratio": "no period was evaluated",
    "exchange_resource_quality_ratio": "no day is over",
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in REGISTRY.items():
            patch.setenv(name, value)
        environment = {name: value for name, value in os.environ.items() if name not in REGISTRY}
        with scene(tmp_path_factory.mktemp("scene"), environment) as made:
            wait_until(lambda: landed(made) == 20, 60, "the rows have landed")
            wait_until(lambda: len(made.prometheus.query("up == 1")) == 3, 60, "all three are scraped")
            yield made


def landed(scene: Scene) -> int:
    return len(scene.target.rows()) if inspect(scene.target.engine).has_table("people") else 0


def expressions() -> dict[str, str]:
    """Each query there is, with the place that it stands in."""
    found: dict[str, str] = {}
    for name in ("recording.yml", "alerts.yml"):
        for group in rules(name)["groups"]:
            found |= {rule["expr"]: f"{name} {rule.get('record') or rule.get('alert')}" for rule in group["rules"]}
    for board in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        for panel in json.loads(board.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                found[target["expr"]] = f"{board.name} {panel['title']}"
    return found


def test_discovery_labels_each_target(here: Scene) -> None:
    targets = {t["labels"]["job"]: t for t in here.prometheus.get("targets")["activeTargets"]}
    assert set(targets) == {"exchange-registry", "exchange-adapter"}
    labels = targets["exchange-adapter"]["labels"]
    assert {"node", "division", "department", "client_id"} <= set(labels)
    assert labels["node"] == "440000"


def test_every_query_of_every_rule_and_dashboard_returns_data(here: Scene) -> None:
    here.origin.put(people(40))
    wait_until(lambda: len(here.target.rows()) == 40, 60, "more rows, so that there are rates")
    wait_until(
        lambda: here.prometheus.query("resource:exchange_landed_records:rate5m"), 60, "the recording rules have run"
    )
    empty: dict[str, str] = {}
    for written, place in expressions().items():
        expression = _filled(written)
        bare = _without_bound(expression) if place.startswith("alerts") else expression
        if not here.prometheus.query(bare):
            empty[written] = place
    unexplained = {written: place for written, place in empty.items() if not _explained(written)}
    assert not unexplained


def _filled(expression: str) -> str:
    """As Grafana fills a dashboard's variables in."""
    for variable in ("node", "division", "department", "resource", "adapter"):
        expression = expression.replace(f"${variable}", ".*")
    return expression.replace("$__rate_interval", "30s").replace("$__range", "5m")


def _without_bound(expression: str) -> str:
    """What an alert compares: it has to have data while all is well."""
    for sign in (" > ", " < ", " == ", " unless "):
        expression = expression.split(sign, maxsplit=1)[0]
    return expression


def _explained(expression: str) -> bool:
    return any(name.split(" ")[0] in expression for name in EMPTY)


def fires(here: Scene, alert: str) -> None:
    wait_until(lambda: alert in here.prometheus.firing(), 90, f"{alert} fires")


def clears(here: Scene, alert: str) -> None:
    wait_until(lambda: alert not in here.prometheus.firing(), 120, f"{alert} clears")


def test_drift_of_an_acl(here: Scene) -> None:
    clears(here, "ExchangeAclDrift")  # grants of the beginning
    stray = Acl(Kind.TOPIC, here.world.catalogue.topic(here.world.code), "LITERAL", principal("nobody"), Operation.READ)
    Superuser(here.node).add(stray)
    fires(here, "ExchangeAclDrift")
    clears(here, "ExchangeAclDrift")
    assert stray not in Superuser(here.node).acls()


def test_a_forged_receipt_is_a_difference(here: Scene) -> None:
    batch = uuid.uuid4().hex
    published = Receipt(
        id=batch, side=Side.PUBLISHED, resource=here.slug, topic=here.world.catalogue.topic(here.world.code),
        client_id=here.world.owner.client_id, adapter="people-source", batch=batch, count=3, deletes=0,
        digest=hex_digest(7), schema_id=1, at=0,
    )  # fmt: skip
    say(here.world.owner, replace(published, at=int(time.time() * 1000)))
    fires(here, "ExchangeRecordsDiffer")
    labels = here.prometheus.query("exchange_reconciliation_open > 0")[0]["metric"]
    assert (labels["kind"], labels["owner"]) == ("lost", "publisher"), "the broker never had it"
    number = here.world.owner.admin.get("differences", open="true")["items"][0]["id"]
    here.world.owner.admin.post(f"differences/{number}/close", {"evidence": "测试伪造的回执"})
    clears(here, "ExchangeRecordsDiffer")


def test_an_adapter_that_dies_is_missed_and_comes_back(here: Scene) -> None:
    here.kill("sink")
    fires(here, "ExchangeAdapterDown")
    fires(here, "ExchangeAdapterSilent")
    here.run("sink")
    clears(here, "ExchangeAdapterDown")
    clears(here, "ExchangeAdapterSilent")


def test_a_paused_adapter_and_one_that_fails(here: Scene) -> None:
    folder = StateFolder(here.files["source"].parent / "state", "people-source")
    folder.pause()
    fires(here, "ExchangeAdapterPaused")
    folder.resume()
    clears(here, "ExchangeAdapterPaused")
    good = here.origin.path.read_bytes()
    here.origin.path.write_bytes(b"no,such,columns\r\n1,2,3\r\n")
    fires(here, "ExchangeAdapterFailed")
    here.origin.path.write_bytes(good)
    here.run("source")
    clears(here, "ExchangeAdapterFailed")


def test_old_data_and_an_entry_without_data(here: Scene) -> None:
    here.registry_says("UPDATE resources SET last_data_at = '2020-01-01 00:00:00.000000' WHERE slug = ?", here.slug)
    fires(here, "ExchangeFreshnessBroken")
    here.origin.put(people(41))
    clears(here, "ExchangeFreshnessBroken")
    empty = here.world.catalogue.resource(here.world.owner)
    fires(here, "ExchangeNothingPublished")
    here.world.owner.admin.withdraw_resource(empty)
    clears(here, "ExchangeNothingPublished")


def test_a_request_that_nobody_answers(here: Scene) -> None:
    code = here.world.catalogue.resource(here.world.owner)
    number = here.world.catalogue.request(here.world.reader, code)
    here.registry_says("UPDATE requests SET due_at = '2020-01-01 00:00:00.000000' WHERE id = ?", number)
    fires(here, "ExchangeRequestsOverdue")
    clears(here, "ExchangeRequestsOverdue")  # the registry passes it on by itself
    here.world.owner.admin.refuse(number, "测试")
    here.world.owner.admin.withdraw_resource(code)


def test_rejects(here: Scene) -> None:
    rows = people(60)
    here.origin.put({key: (name, "no date", amount) for key, (name, _, amount) in rows.items()})
    fires(here, "ExchangeManyRejects")
    here.origin.put(people(42))
    clears(here, "ExchangeManyRejects")


def test_a_broker_that_is_away(here: Scene) -> None:
    settings, layout = here.node.settings, here.node.layout
    broker_part(layout).stop()
    here.origin.put(people(50))  # only who has work notices
    try:
        for alert in ("ExchangeBrokerDown", "ExchangeEnforcementStale", "ExchangeAdapterWaiting"):
            fires(here, alert)
    finally:
        start_broker(settings, layout)
    for alert in ("ExchangeBrokerDown", "ExchangeEnforcementStale", "ExchangeAdapterWaiting"):
        clears(here, alert)
    wait_until(lambda: landed(here) == 50, 60, "nothing is lost")


def test_a_registry_that_is_away(here: Scene) -> None:
    settings, layout = here.node.settings, here.node.layout
    registry_part(layout).stop()
    try:
        fires(here, "ExchangeRegistryDown")
    finally:
        start_registry(settings, layout)
    clears(here, "ExchangeRegistryDown")


def say(office: Office, receipt: Receipt) -> None:
    """As the office's system, which may write receipts of its own."""
    settings = office.settings
    registry = RegistryClient(settings.registry, settings.identity)
    try:
        producer = Producer(Broker.of(settings, registry).config())
        producer.produce(receipts_topic(office.client_id), receipt.to_bytes())
        assert producer.flush(20) == 0
    finally:
        registry.close()
