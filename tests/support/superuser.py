"""The broker as the registry's own principal sees it: to look at side effects, or to play a bad administrator."""

from __future__ import annotations

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from registry.access.keys import Keyring
from registry.access.tokens import Tokens
from registry.enforcement.acls import EVERYTHING, Acl, Kind, Operation, principal
from registry.enforcement.broker import Broker, client_config
from registry.settings import BrokerGroup
from tests.support.node import RunningNode
from tests.support.wait import wait_until

TIMEOUT_S = 20.0
Headers = list[tuple[str, str | bytes | None]]


class Superuser:
    """Holds tokens that only the registry could have issued: the test reads the node's signing key."""

    def __init__(self, node: RunningNode) -> None:
        keyring = Keyring(node.layout.registry / "keys", jwks_file=None, token_ttl_s=900, delay_s=0)
        tokens = Tokens(keyring, issuer=node.registry_url, ttl_s=900)
        self._config = client_config(
            BrokerGroup(bootstrap_servers=node.bootstrap_servers, security_protocol="SASL_PLAINTEXT"), tokens
        )
        self._broker = Broker(self._config, TIMEOUT_S)

    def end(self, topic: str) -> int:
        """Return the offset after the last record of partition 0, transaction markers included."""
        consumer = Consumer({**self._config, "group.id": "superuser"})
        try:
            consumer.poll(0)  # answers the token callback
            offsets = consumer.get_watermark_offsets(TopicPartition(topic, 0), TIMEOUT_S)
        finally:
            consumer.close()
        assert offsets is not None
        return int(offsets[1])

    def producer(self) -> Producer:
        """Return a producer that may write anywhere."""
        made = Producer({**self._config, "linger.ms": 5})
        made.poll(0)  # answers the token callback
        return made

    def admin(self) -> AdminClient:
        """Return the broker's administration, without the registry's words for it."""
        made = AdminClient(self._config)
        made.poll(0)  # answers the token callback
        return made

    def make_anew(self, topic: str) -> None:
        """Delete a topic and make it again, as a broker does that has lost its disk."""
        admin = self.admin()
        admin.delete_topics([topic])[topic].result(TIMEOUT_S)
        wait_until(lambda: topic not in admin.list_topics(timeout=TIMEOUT_S).topics, TIMEOUT_S, "the topic is gone")
        admin.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})])[topic].result(TIMEOUT_S)

    def members_ever(self, group: str) -> bool:
        """Return whether the broker knows this group."""
        admin = self.admin()  # a client that nobody holds any more answers with nothing
        listed = admin.list_consumer_groups(request_timeout=TIMEOUT_S).result()
        return group in {found.group_id for found in listed.valid or ()}

    def produce(self, topic: str, key: bytes, value: bytes | None, headers: Headers) -> None:
        """Put a record into a topic that belongs to somebody else."""
        producer = Producer(self._config)
        producer.poll(0)  # answers the token callback
        producer.produce(topic, value, key=key, headers=headers)
        assert producer.flush(TIMEOUT_S) == 0

    def acls(self, client_id: str | None = None) -> frozenset[Acl]:
        """Return all ACLs at the broker, or those of one system."""
        found = self._broker.acls(EVERYTHING)
        return found if client_id is None else frozenset(a for a in found if a.principal == principal(client_id))

    def topics(self) -> set[str]:
        """Return the names of all topics."""
        return set(self._broker.topics())

    def add(self, acl: Acl) -> None:
        """Add an ACL by hand, as nobody should."""
        self._broker.add([acl])

    def remove(self, acl: Acl) -> None:
        """Remove an ACL by hand, as nobody should."""
        self._broker.remove([acl])


def reading(client_id: str, topic: str) -> Acl:
    """Return the ACL that lets a system read a topic."""
    return Acl(Kind.TOPIC, topic, "LITERAL", principal(client_id), Operation.READ)
