"""Systems are told: on a topic that only they read, and by a webhook that is signed, ordered and retried."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from exchange.contract import notices_topic
from exchange.errors import NotGranted
from registry.errors import Invalid
from registry.notices.domain import backoff, check_url, networks, signature
from registry.settings import NoticesGroup
from tests.integration.registry.conftest import LoneBroker
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import Office, World, world
from tests.support.wait import wait_until

LOOPBACK = NoticesGroup(webhook_networks=["127.0.0.0/8"], webhook_timeout_s=2)


class Receiver:
    """A department's own HTTP server; ``answers``: the statuses that it gives, the last one for ever."""

    def __init__(self) -> None:
        self.answers = [200]
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                status = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_about: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def kinds(self) -> list[str]:
        return [json.loads(body)["kind"] for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url, notices=LOOPBACK) as made:
        yield made


def subscribe(office: Office, url: str) -> Any:
    answer = office.admin.call("PUT", f"systems/{office.client_id}/webhook", {"url": url})
    assert answer.is_success, answer.text
    return answer.json()


def test_a_webhook_is_told_signed_and_in_order(here: World, receiver: Receiver) -> None:
    owner, city, other = here.office(), here.office("440600"), here.office()
    resource = here.resource(owner)
    here.grant(owner, other, resource)
    earlier = here.grant(owner, city, here.resource(owner))["grant"]
    secret = subscribe(city, receiver.url)["secret"]
    grant = here.grant(owner, city, resource)["grant"]
    path = f"grants/{grant['id']}"
    owner.admin.post(f"{path}/suspend", {"reason": "核查"})
    owner.admin.post(f"{path}/resume")
    owner.admin.post(f"{path}/revoke", {"reason": "不再需要"})
    here.runtime.courier.round()
    here.runtime.courier.round()
    assert receiver.kinds == [
        "request.waiting", "request.approved", "grant.opened", "grant.suspended", "grant.resumed", "grant.revoked",
    ]  # fmt: skip
    for headers, body in receiver.got:
        timestamp = int(headers["X-Exchange-Timestamp"])
        assert headers["X-Exchange-Signature"] == signature(secret, timestamp, body)
        assert json.loads(body)["subject"] != f"grant/{earlier['id']}", "what was before the webhook is not sent"
    last = json.loads(receiver.got[-1][1])
    assert (last["subject"], last["state"], last["reason"]) == (f"grant/{grant['id']}", "revoked", "不再需要")
    assert subscribe(city, receiver.url)["secret"] != secret
    with here.runtime.database.engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM webhooks").all()
    assert secret not in str(stored), "the database does not tell the secret"


def test_a_webhook_that_fails_is_tried_again_later_and_nothing_overtakes(here: World, receiver: Receiver) -> None:
    owner, city = here.office(), here.office("440600")
    subscribe(city, receiver.url)
    here.grant(owner, city, here.resource(owner))
    receiver.answers = [500, 302, 200]
    here.runtime.courier.round()
    assert receiver.kinds == ["request.waiting"]
    state = city.admin.get(f"systems/{city.client_id}/webhook")
    assert (state["attempts"], state["last_error"]) == (1, "HTTP 500")
    here.runtime.courier.round()
    assert len(receiver.got) == 1, "not before the pause is over"
    here.clock.ahead += timedelta(seconds=3)
    here.runtime.courier.round()
    assert receiver.kinds == ["request.waiting"] * 2
    assert city.admin.get(f"systems/{city.client_id}/webhook")["last_error"] == "HTTP 302", "no redirect is followed"
    here.clock.ahead += timedelta(seconds=5)
    here.runtime.courier.round()
    assert receiver.kinds == ["request.waiting"] * 3 + ["request.approved", "grant.opened"]
    assert city.admin.get(f"systems/{city.client_id}/webhook")["attempts"] == 0


def test_a_notice_is_given_up_at_last_and_the_next_one_gets_its_turn(here: World, receiver: Receiver) -> None:
    owner, city = here.office(), here.office("440600")
    subscribe(city, receiver.url)
    here.grant(owner, city, here.resource(owner))
    receiver.answers = [500]
    here.clock.ahead = timedelta(hours=73)
    for _ in range(3):
        here.runtime.courier.round()
        here.clock.ahead += timedelta(hours=1)
    assert receiver.kinds == ["request.waiting", "request.approved", "grant.opened"]
    assert here.metric("exchange_notices_total", way="webhook", outcome="given_up") == 3


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://notices.example.org/x", []),
        ("https://127.0.0.1/x", []),
        ("https://10.1.2.3/x", []),
        ("https://169.254.169.254/latest", []),
        ("https://[::1]/x", []),
        ("https://[::ffff:10.0.0.1]/x", []),
        ("https://user:secret@notices.example.org/", []),
        ("ftp://127.0.0.1/", ["127.0.0.0/8"]),
        ("http://10.1.2.3/x", ["10.0.0.0/8"]),
        ("https:///x", []),
        ("https://notices.example.org:99999/", []),
    ],
)
def test_a_webhook_leads_nowhere_inside(url: str, allowed: list[str]) -> None:
    with pytest.raises(Invalid):
        check_url(url, networks(allowed))


def test_a_webhook_leads_where_it_may() -> None:
    for url, allowed in (
        ("https://notices.example.org:8443/x?y=1", []),
        ("https://10.1.2.3/x", ["10.0.0.0/8"]),
        ("http://127.0.0.1:8000/x", ["127.0.0.0/8"]),
    ):
        assert check_url(url, networks(allowed)) == url


def test_a_name_that_resolves_inside_is_refused_when_it_is_called(tmp_path: Path, receiver: Receiver) -> None:
    with world(tmp_path) as here:
        owner, city = here.office(), here.office("440600")
        port = receiver.server.server_port
        subscribe(city, f"https://localhost:{port}/x")
        here.grant(owner, city, here.resource(owner))
        here.runtime.courier.round()
        assert receiver.got == []
        assert city.admin.get(f"systems/{city.client_id}/webhook")["last_error"] == "ConnectError"


def test_pauses_double_up_to_an_hour() -> None:
    assert [backoff(n, 2).total_seconds() for n in (1, 2, 3)] == [2, 4, 8]
    assert backoff(10_000, 2) == timedelta(hours=1)


def test_notices_are_on_a_topic_that_only_their_system_reads(broker: LoneBroker, tmp_path: Path) -> None:
    with broker.world(tmp_path) as here:
        assert here.runtime.enforcer.reconcile()
        owner, city, other = here.office(), here.office("440600"), here.office()
        grant = here.grant(owner, city, here.resource(owner))["grant"]
        owner.admin.post(f"grants/{grant['id']}/revoke", {"reason": "不再需要"})
        here.runtime.courier.round()
        assert all(notice["published_at"] for notice in city.system.get("notices")["items"])
        found = _read(broker, city.client_id, notices_topic(city.client_id), 4)
        assert [told["kind"] for _, told in found] == [
            "request.waiting", "request.approved", "grant.opened", "grant.revoked",
        ]  # fmt: skip
        assert found[-1][0] == f"grant/{grant['id']}".encode()
        assert found[-1][1]["state"] == "revoked"
        with pytest.raises(NotGranted, match="TOPIC_AUTHORIZATION_FAILED"):
            _read(broker, other.client_id, notices_topic(city.client_id), 1)


@pytest.mark.long
def test_notices_wait_for_a_broker_that_is_away(broker: LoneBroker, tmp_path: Path) -> None:
    with broker.world(tmp_path, timeout_s=2) as here:
        assert here.runtime.enforcer.reconcile()
        owner, city = here.office(), here.office("440600")
        with broker.stopped():
            here.request(city, here.resource(owner, sharing_type=3))
            here.runtime.courier.round()
            assert not any(notice["published_at"] for notice in city.system.get("notices")["items"])
        wait_until(lambda: _carried(here, city), 60, "the notices are on the bus")
        assert _read(broker, city.client_id, notices_topic(city.client_id), 1)[0][1]["kind"] == "request.refused"


def _carried(here: World, office: Office) -> bool:
    here.runtime.enforcer.retry()
    here.runtime.courier.round()
    return all(notice["published_at"] for notice in office.system.get("notices")["items"])


def _read(broker: LoneBroker, client_id: str, topic: str, count: int) -> list[tuple[bytes, dict[str, Any]]]:
    """The first ``count`` records of a topic as a system gets them."""
    consumer = Consumer({**broker.client(client_id), "group.id": f"{client_id}.notices"})
    found: list[tuple[bytes, dict[str, Any]]] = []
    try:
        consumer.poll(0)  # answers the token callback
        refusal = consumer.list_topics(topic, 15).topics[topic].error
        if refusal is not None:
            raise NotGranted(client_id=client_id, target=topic, reason=refusal.name())
        consumer.assign([TopicPartition(topic, 0, 0)])
        while len(found) < count:
            message = consumer.poll(15)
            assert message is not None, f"{len(found)} of {count} records"
            if message.error() is not None:
                continue
            key, value = message.key(), message.value()
            assert isinstance(key, bytes)
            assert value is not None
            found.append((key, json.loads(value)))
    finally:
        consumer.close()
    return found
