"""The heart of it: who may do what at the broker, tried by four systems through three clients.

The owner publishes, one system is granted, one was refused, one is foreign and never asked. Each tries the same
reads, writes, group joins and topic lists; the answer and the side effect of each are asserted. Two of the clients hold
no code of ours: librdkafka with its own OIDC login, and Kafka's Java command-line tools.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from exchange import Publisher
from exchange.contract import notices_topic, receipts_topic
from tests.support.catalogue import Catalogue, Office
from tests.support.clients import GROUP_REFUSED, TOPIC_REFUSED, Client, Java, Librdkafka, Sdk
from tests.support.node import RunningNode
from tests.support.superuser import Superuser

ROWS = 20


@dataclass(frozen=True)
class Scene:
    topic: str
    owner: Office
    granted: Office
    refused: Office
    foreign: Office
    broker: Superuser

    def office(self, role: str) -> Office:
        office: Office = getattr(self, role)
        return office


@pytest.fixture(scope="module")
def scene(node: RunningNode) -> Scene:
    catalogue = Catalogue(node)
    owner, granted = catalogue.office("owner"), catalogue.office("granted", "440600")
    refused, foreign = catalogue.office("refused", "440604"), catalogue.office("foreign", "440100")
    code = catalogue.resource(owner)
    with Publisher.open(owner.settings, code) as publisher, publisher.batch() as batch:
        for number in range(ROWS):
            batch.put({"id": f"k{number}", "name": "某人"})
    catalogue.grant(owner, granted, code)
    answer = owner.admin.refuse(catalogue.request(refused, code), "不符合共享条件")
    assert (answer["state"], answer["reason"]) == ("refused", "不符合共享条件")
    return Scene(catalogue.topic(code), owner, granted, refused, foreign, Superuser(node))


@pytest.fixture(params=["sdk", "librdkafka", "java"])
def client(request: pytest.FixtureRequest, node: RunningNode, tmp_path: Path) -> Client:
    plain = Librdkafka(node.bootstrap_servers)
    clients: dict[str, Client] = {
        "sdk": Sdk(plain),
        "librdkafka": plain,
        "java": Java(node.bootstrap_servers, tmp_path),
    }
    return clients[request.param]


@pytest.mark.parametrize(
    ("role", "answer"),
    [("owner", ROWS), ("granted", ROWS), ("refused", TOPIC_REFUSED), ("foreign", TOPIC_REFUSED)],
)
def test_reading(client: Client, scene: Scene, role: str, answer: int | str) -> None:
    office = scene.office(role)
    group = f"{office.client_id}.reading-{type(client).__name__.lower()}"
    assert client.read(office, scene.topic, group, ROWS) == answer
    committed = scene.broker.members_ever(group)
    assert committed or answer == TOPIC_REFUSED, "a reader that was let in has joined its group"


@pytest.mark.parametrize("role", ["granted", "refused", "foreign"])
def test_writing_is_refused_and_leaves_nothing(client: Client, scene: Scene, role: str) -> None:
    before = scene.broker.end(scene.topic)
    assert client.write(scene.office(role), scene.topic, b"forged") == TOPIC_REFUSED
    assert scene.broker.end(scene.topic) == before


@pytest.mark.parametrize("role", ["owner", "granted", "refused", "foreign"])
def test_a_group_of_another_system_cannot_be_joined(client: Client, scene: Scene, role: str) -> None:
    victim = scene.granted if role != "granted" else scene.owner
    group = f"{victim.client_id}.stolen-{type(client).__name__.lower()}-{role}"
    own = scene.topic if role in {"owner", "granted"} else receipts_topic(scene.office(role).client_id)
    assert client.read(scene.office(role), own, group, ROWS) == GROUP_REFUSED
    assert not scene.broker.members_ever(group)


@pytest.mark.parametrize("role", ["owner", "granted", "refused", "foreign"])
def test_only_what_is_granted_can_be_seen(client: Client, scene: Scene, role: str) -> None:
    office = scene.office(role)
    seen = client.topics(office)
    expected = {receipts_topic(office.client_id), notices_topic(office.client_id)}
    if role in {"owner", "granted"}:
        expected.add(scene.topic)
    if role == "owner":
        expected.add(f"{scene.topic}.rejects")
    assert seen == expected


def test_the_owner_writes_and_only_its_own_resource(client: Client, scene: Scene, node: RunningNode) -> None:
    catalogue = Catalogue(node)
    other = catalogue.topic(catalogue.resource(catalogue.office("neighbour")))
    before = scene.broker.end(other)
    assert client.write(scene.owner, other, b"forged") == TOPIC_REFUSED
    assert scene.broker.end(other) == before
    mine = catalogue.resource(scene.owner)
    assert client.write(scene.owner, catalogue.topic(mine), b"mine") == 1
    assert scene.broker.end(catalogue.topic(mine)) > 0
