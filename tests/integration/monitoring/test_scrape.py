"""A real Prometheus scrapes a real run: every query of rules and dashboards is put to it, alerts fire and clear."""

from __future__ import annotations

import json
import re
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer

from adapters.history import StateFolder
from exchange.contract import receipts_topic
from exchange.kafka import Broker
from exchange.receipts import Receipt, Side, hex_digest
from exchange.registry_client import RegistryClient
from exchange.signing import SigningKey
from tests.integration.adapters.places import people
from tests.integration.monitoring.causes import (
    expiring,
    peep,
    slot_left_behind,
    slow,
)
from tests.integration.monitoring.scene import Scene, rules
from tests.support.catalogue import Office
from tests.support.prometheus import ROOT
from tests.support.wait import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600), pytest.mark.usefixtures("calm")]


def test_discovery_labels_each_target(here: Scene) -> None:
    targets = {t["labels"]["job"]: t for t in here.prometheus.get("targets")["activeTargets"]}
    assert set(targets) == {"exchange-registry", "exchange-adapter", "exchange-kafka"}
    assert targets["exchange-kafka"]["scrapeUrl"].startswith("http://127.0.0.1:"), "loopback only"
    labels = targets["exchange-adapter"]["labels"]
    assert {"node", "division", "department", "client_id"} <= set(labels)
    assert labels["node"] == "440000"


def test_a_forged_receipt_is_a_difference(here: Scene) -> None:
    batch = uuid.uuid4().hex
    published = Receipt(
        id=batch, side=Side.PUBLISHED, resource=here.slug, topic=here.world.catalogue.topic(here.world.code),
        client_id=here.world.owner.client_id, adapter="people-source", batch=batch, count=3, deletes=0,
        digest=hex_digest(7), schema_id=1, at=0,
    )  # fmt: skip
    say(here.world.owner, replace(published, at=int(time.time() * 1000)))
    here.fires("ExchangeRecordsDiffer")
    labels = here.prometheus.query("exchange_reconciliation_open > 0")[0]["metric"]
    assert (labels["kind"], labels["owner"]) == ("lost", "publisher"), "the broker never had it"
    number = here.world.owner.admin.get("differences", open="true")["items"][0]["id"]
    here.world.owner.admin.post(f"differences/{number}/close", {"evidence": "测试伪造的回执"})
    here.clears("ExchangeRecordsDiffer")


def test_receipts_that_no_key_of_their_system_has_signed(here: Scene) -> None:
    owner, alert = here.world.owner, "ExchangeReceiptsBadlySigned"
    kid = owner.admin.get(f"systems/{owner.client_id}/receipt-keys")["items"][0]["kid"]
    plain = Receipt(
        id="forged", side=Side.PUBLISHED, resource=here.slug, topic=here.world.catalogue.topic(here.world.code),
        client_id=owner.client_id, adapter="people-source", batch=uuid.uuid4().hex, count=3, deletes=0,
        digest=hex_digest(7), schema_id=1, at=int(time.time() * 1000),
    )  # fmt: skip
    forged = replace(plain.signed(SigningKey.generate()), kid=kid)

    def said_again() -> bool:
        say(owner, forged)  # again and again: a counter that begins with its first event has no rate
        return alert in here.prometheus.firing()

    wait_until(said_again, 90, f"{alert} fires")
    here.clears(alert)
    assert owner.admin.get("differences", open="true")["items"] == [], "what is forged counts for nothing"


def test_an_adapter_that_dies_is_missed_and_comes_back(here: Scene) -> None:
    here.kill("sink")
    here.fires("ExchangeAdapterDown")
    here.fires("ExchangeAdapterSilent")
    here.run("sink")
    here.clears("ExchangeAdapterDown")
    here.clears("ExchangeAdapterSilent")


def test_a_paused_adapter_and_one_that_fails(here: Scene) -> None:
    folder = StateFolder(here.files["source"].parent / "state", "people-source")
    folder.pause()
    here.fires("ExchangeAdapterPaused")
    folder.resume()
    here.clears("ExchangeAdapterPaused")
    good = here.origin.path.read_bytes()
    here.origin.path.write_bytes(b"no,such,columns\r\n1,2,3\r\n")
    here.fires("ExchangeAdapterFailed")
    here.origin.path.write_bytes(good)
    here.run("source")
    here.clears("ExchangeAdapterFailed")


def test_old_data_and_an_entry_without_data(here: Scene) -> None:
    here.registry_says("UPDATE resources SET last_data_at = '2020-01-01 00:00:00.000000' WHERE slug = ?", here.slug)
    here.fires("ExchangeFreshnessBroken")
    here.origin.put(people(41))
    here.clears("ExchangeFreshnessBroken")
    empty = here.world.catalogue.resource(here.world.owner)
    here.fires("ExchangeNothingPublished")
    here.world.owner.admin.withdraw_resource(empty)
    here.clears("ExchangeNothingPublished")


def test_what_nobody_looked_after(here: Scene) -> None:
    """At once, as the causes have nothing to do with each other: disk, certificate, key, slot, objection."""
    alerts = {"ExchangeCertificateExpiring", "ExchangeReplicationSlotGrowing", "ExchangeObjectionsOverdue"}
    complaint = here.world.reader.admin.object_to(here.world.code, here.world.reader.client_id, "与现场不符")["id"]
    here.registry_says("UPDATE objections SET due_at = '2020-01-01 00:00:00.000000' WHERE id = ?", complaint)
    with expiring(here.certificate), slot_left_behind(here):
        for alert in sorted(alerts | {"ExchangeSigningKeyOld"}):
            here.fires(alert)
        here.world.catalogue.security.rotate_keys()
        here.world.owner.admin.step_objection(complaint, "accept")
        here.clears("ExchangeSigningKeyOld")
    for alert in sorted(alerts):
        here.clears(alert)


def test_a_slow_destination(here: Scene) -> None:
    before = here.offered
    alerts = ("ExchangeLagHigh", "ExchangeLatencyBudget")
    with slow(here.target, 2.5):
        here.origin.put(people(before + 70))
        for alert in alerts:
            here.fires(alert)
    for alert in alerts:
        here.clears(alert)
    wait_until(lambda: here.landed == before + 70, 60, "nothing is lost")


def test_a_request_that_nobody_answers(here: Scene) -> None:
    code = here.world.catalogue.resource(here.world.owner)
    number = here.world.catalogue.request(here.world.reader, code)
    here.registry_says("UPDATE requests SET due_at = '2020-01-01 00:00:00.000000' WHERE id = ?", number)
    here.fires("ExchangeRequestsOverdue")
    known = here.world.owner.admin
    wait_until(lambda: known.get(f"requests/{number}")["escalated_at"], 90, "the registry passes it on")
    time.sleep(3)
    assert "ExchangeRequestsOverdue" in here.prometheus.firing(), "a new deadline does not hide that it is late"
    here.world.owner.admin.refuse(number, "测试")
    here.clears("ExchangeRequestsOverdue")
    here.world.owner.admin.withdraw_resource(code)


def test_rejects(here: Scene) -> None:
    known, rows = here.offered, people(here.offered + 18)
    broken = {key: (name, "no date", amount) for key, (name, _, amount) in people(known + 18, known).items()}
    here.origin.put(rows | broken)
    here.fires("ExchangeManyRejects")
    here.origin.put(rows)
    here.clears("ExchangeManyRejects")


def a_year_ago(here: Scene) -> None:
    """What was read today becomes a day of last year, which is over: so it counts, and the year can be evaluated."""
    year = datetime.now(UTC).year - 1
    moved = "UPDATE resource_days SET day = ?, freshness = 'fresh' WHERE slug = ?"
    here.registry_says(moved, f"{year}-12-31", here.slug)
    here.registry_says("UPDATE resources SET quality = 0.97 WHERE slug = ?", here.slug)
    assert here.world.catalogue.root.evaluate(str(year))["final"]


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


def test_every_alert_was_caused() -> None:
    """By its name in a test of this folder: what fires only by promtool is not known to fire."""
    written = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    alerts = [rule["alert"] for group in rules("alerts.yml")["groups"] for rule in group["rules"]]
    assert [alert for alert in alerts if f'"{alert}"' not in written] == []


def test_every_query_of_every_rule_and_dashboard_returns_data(here: Scene) -> None:
    a_year_ago(here)
    rows = here.offered + 20
    here.origin.put(people(rows))
    wait_until(lambda: here.landed == rows, 60, "more rows, so that there are rates")
    wait_until(
        lambda: here.prometheus.query("resource:exchange_landed_records:rate5m"), 60, "the recording rules have run"
    )
    found: dict[str, str] = {}

    def settled() -> bool:  # a counter that began just now has no rate yet: what is seldom happens again
        peep(here, "_exchange.audit.head")
        found.clear()
        found.update(empty(here))
        return not found

    with suppress(AssertionError):
        wait_until(settled, 60, "all return data")
    assert found == {}


def empty(here: Scene) -> dict[str, str]:
    """The queries that return nothing, as Grafana and Prometheus put them; an alert without its bound."""
    found = {}
    for written, place in expressions().items():
        query = _filled(written)
        if not here.prometheus.query(_without_bound(query) if place.startswith("alerts") else query):
            found[written] = place
    return found


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


def test_each_variable_of_a_dashboard_offers_something(here: Scene) -> None:
    offered: dict[str, set[str]] = {}
    for board in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        for variable in json.loads(board.read_text(encoding="utf-8"))["templating"]["list"]:
            if variable["type"] != "query":
                continue
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert asked, variable["query"]
            values = here.prometheus.get(f"label/{asked[2]}/values", **{"match[]": _filled(asked[1])})
            assert values, f"{board.name}: {variable['query']}"
            offered.setdefault(variable["name"], set()).update(values)
    assert {"node", "division", "department", "resource", "adapter"} <= offered.keys()
    assert "440000" in offered["node"]
    assert here.slug in offered["resource"]


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
