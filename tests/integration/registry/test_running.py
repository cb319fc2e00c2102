"""Running adapters: who may report, who looks on, what silence means, and what a scrape then says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from registry.settings import MetricsGroup
from tests.support.databases import BOTH_DATABASES
from tests.support.permissions.running import REPORT
from tests.support.registry_world import PASSWORD, World, world


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url, metrics=MetricsGroup(monitors=["440000-prometheus-0"])) as made:
        yield made


def scraped(here: World) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    here.runtime.observer.look()
    text = here.http.get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_an_adapter_is_seen_by_its_department_and_the_monitor_and_is_told_silent(here: World) -> None:
    office, stranger = here.office(), here.office()
    body = {"client_id": "440000-prometheus-0", "department_id": stranger.id, "name": "监控"}
    monitor = here.system("440000-prometheus-0", here.root.post("systems", body)["secret"])
    assert office.admin.call("POST", "adapters", REPORT).status_code == 403, "a person is no adapter"
    for count in (10, 25):
        answer = office.system.post("adapters", {**REPORT, "records_total": count})
        assert (answer["state"], answer["records_total"]) == ("running", count)
    assert len(office.admin.get("adapters")["items"]) == 1, "one row, however often it says something"
    assert stranger.admin.get("adapters")["items"] == []
    assert stranger.system.get("prometheus/targets") == []
    target = {
        "targets": ["10.0.0.1:9441"],
        "labels": {
            "node": "440000",
            "division": "440000",
            "department": here.root.get(f"departments/{office.id}")["name"],
            "client_id": office.client_id,
        },
    }
    assert monitor.get("prometheus/targets") == [target]
    assert office.system.get("prometheus/targets") == [target]
    assert scraped(here)["exchange_adapters", (("state", "running"),)] == 1
    here.clock.ahead = timedelta(minutes=5)  # less than a token lives
    assert office.admin.get("adapters")["items"][0]["state"] == "silent"
    assert monitor.get("prometheus/targets") == [target], "Prometheus has to see that it is down"
    assert scraped(here)["exchange_adapters", (("state", "silent"),)] == 1
    office.system.post("adapters", {**REPORT, "state": "stopped"})
    here.clock.ahead = timedelta(minutes=10)
    assert office.admin.get("adapters")["items"][0]["state"] == "stopped", "who said good-bye is not silent"
    assert monitor.get("prometheus/targets") == []


def test_what_is_late_or_gone_is_counted(here: World) -> None:
    owner, reader = here.office(), here.office()
    resource = here.resource(owner, update_cycle="daily")
    asked = here.request(reader, resource)
    before = scraped(here)
    assert before["exchange_requests", (("state", "waiting"),)] == 1
    assert before["exchange_requests_overdue", (("state", "waiting"),)] == 0
    assert before["exchange_resource_cycle_seconds", (("resource", resource),)] == 2 * 86400
    assert ("exchange_resource_data_timestamp_seconds", (("resource", resource),)) not in before
    assert before["exchange_broker_up", ()] == 0, "nothing listens there"
    assert before["exchange_disk_free_bytes", (("path", str(here.runtime.settings.registry.data_dir)),)] > 0
    here.clock.ahead = timedelta(days=60)
    assert scraped(here)["exchange_requests_overdue", (("state", "waiting"),)] == 1
    again = here.user(owner.admin.name, PASSWORD)
    again.post(f"requests/{asked['id']}/refuse", {"reason": "测试"})
    again.post(f"resources/{resource}/withdraw")
    assert ("exchange_resource_cycle_seconds", (("resource", resource),)) not in scraped(here), "it owes no data now"
