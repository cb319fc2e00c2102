"""From a request to the ACL: one id in the log, one trace, also when the broker was away and it is done later."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from exchange.otlp import start_tracing
from exchange.settings import TracingSettings
from exchange.tracing import TRACING
from tests.integration.registry.conftest import LoneBroker
from tests.support.collector import Collector, attributes, collector
from tests.support.registry_world import World, good

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def approve(here: World) -> str:
    owner, other = here.office(), here.office()
    asked = here.request(other, here.resource(owner))
    headers = {
        "Authorization": f"Bearer {owner.admin.token}",
        "X-Request-ID": "approval-17",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
    }
    answer = good(here.http.post(f"/api/v1/requests/{asked['id']}/approve", headers=headers))
    assert answer["enforced"] is not here.runtime.enforcer.pending
    return other.client_id


@pytest.mark.parametrize("away", [False, True], ids=["at once", "later"])
def test_from_the_request_to_the_acl(
    broker: LoneBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture, away: bool
) -> None:
    with collector() as found, broker.world(tmp_path) as here, caplog.at_level(logging.INFO):
        start_tracing(TracingSettings(endpoint=found.url), "registry")
        try:
            if away:
                here.runtime.enforcer._away.set()
            client_id = approve(here)
            if away:
                assert not told(caplog, f"enforced {client_id}")
                here.runtime.enforcer.retry()  # from the loop's thread, long after the request
        finally:
            TRACING.close()
    assert told(caplog, "POST /api/v1/requests/{request_id}/approve 200")
    assert told(caplog, f"enforced {client_id}")
    check(found, client_id)


def told(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return any(words in record.getMessage() for record in caplog.records)


def check(found: Collector, client_id: str) -> None:
    request = next(span for span in found.named("POST /api/v1/requests/{request_id}/approve"))
    enforced = [s for s in found.named("enforce") if attributes(s)["exchange.client_id"] == client_id]
    enforce = next(span for span in enforced if span.trace_id.hex() == TRACE)
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert enforce.parent_span_id == request.span_id
    assert attributes(request)["exchange.request_id"] == "approval-17"
    assert attributes(request)["http.response.status_code"] == 200
