"""Three ways to talk to the broker: our SDK, plain librdkafka, and Kafka's own Java commands.

The last two have no code of ours in the client: they fetch their token by themselves, with client_id and secret.
Every answer is a number of records, or the broker's word for its refusal.
"""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient as KafkaAdmin

from exchange import NotGranted, Publisher, Subscriber
from exchange.node.java import find_jars, find_java
from tests.support.catalogue import Office

PATIENCE_S = 20.0
TOPIC_REFUSED = "TOPIC_AUTHORIZATION_FAILED"
GROUP_REFUSED = "GROUP_AUTHORIZATION_FAILED"

Answer = int | str


class Client(Protocol):
    def read(self, office: Office, topic: str, group: str, expected: int) -> Answer: ...

    def write(self, office: Office, topic: str, value: bytes) -> Answer: ...

    def topics(self, office: Office) -> set[str]: ...


@dataclass
class Librdkafka:
    """librdkafka's ``sasl.oauthbearer.method=oidc``, nothing else."""

    bootstrap_servers: str

    def config(self, office: Office, **more: Any) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": office.client_id,
            "sasl.oauthbearer.client.secret": office.secret,
            "sasl.oauthbearer.token.endpoint.url": f"{office.registry.url}/oauth2/token",
            "log_level": 0,
            **more,
        }

    def read(self, office: Office, topic: str, group: str, expected: int) -> Answer:
        config = self.config(office, **{"group.id": group, "auto.offset.reset": "earliest"})
        config["isolation.level"] = "read_committed"
        consumer = Consumer(config)
        try:
            consumer.subscribe([topic])
            return _drain(consumer, expected)
        finally:
            consumer.close()

    def write(self, office: Office, topic: str, value: bytes) -> Answer:
        outcome: list[KafkaError | None] = []
        producer = Producer(self.config(office))
        producer.produce(topic, value, b"key", on_delivery=lambda error, _message: outcome.append(error))
        producer.flush(PATIENCE_S)
        assert outcome, "the producer got no answer"
        return 1 if outcome[0] is None else str(outcome[0].name())

    def topics(self, office: Office) -> set[str]:
        return set(KafkaAdmin(self.config(office)).list_topics(timeout=PATIENCE_S).topics)


def _drain(consumer: Consumer, expected: int) -> Answer:
    count, deadline = 0, time.monotonic() + PATIENCE_S
    while count < expected and time.monotonic() < deadline:
        try:
            message = consumer.poll(0.2)
        except KafkaException as exc:
            return str(exc.args[0].name())
        if message is None:
            continue
        error = message.error()
        if error is not None:
            return str(error.name())
        count += 1
    return count


@dataclass
class Sdk:
    """Our own Publisher and Subscriber; its topic list and foreign groups are librdkafka's."""

    plain: Librdkafka

    def read(self, office: Office, topic: str, group: str, expected: int) -> Answer:
        prefix = f"{office.client_id}."
        if not group.startswith(prefix):
            return self.plain.read(office, topic, group, expected)
        count, deadline = 0, time.monotonic() + PATIENCE_S
        with Subscriber.open(office.settings, topic.partition(".")[2], group.removeprefix(prefix)) as subscriber:
            while count < expected and time.monotonic() < deadline:
                try:
                    count += len(subscriber.poll(100, 0.2))
                except NotGranted as refusal:
                    return str(refusal.facts["reason"]).partition(":")[0]
        return count

    def write(self, office: Office, topic: str, value: bytes) -> Answer:
        try:
            with (
                Publisher.open(office.settings, topic.partition(".")[2], "writer") as publisher,
                publisher.batch() as b,
            ):
                b.put_encoded(b"key", value)
        except NotGranted as refusal:
            return str(refusal.facts["reason"]).partition(":")[0]
        return 1

    def topics(self, office: Office) -> set[str]:
        return self.plain.topics(office)


JAVA_REFUSALS = {
    "TopicAuthorizationException": TOPIC_REFUSED,
    "GroupAuthorizationException": GROUP_REFUSED,
}


@dataclass
class Java:
    """Kafka's own command-line tools."""

    bootstrap_servers: str
    directory: Path

    def read(self, office: Office, topic: str, group: str, expected: int) -> Answer:
        output = self._run(
            office, "org.apache.kafka.tools.consumer.ConsoleConsumer",
            ["--topic", topic, "--group", group, "--from-beginning", "--max-messages", str(expected),
             "--timeout-ms", "15000", "--command-property", "isolation.level=read_committed"],
        )  # fmt: skip
        refused = _refusal(output)
        if refused:
            return refused
        processed = re.search(r"Processed a total of (\d+) messages", output)
        assert processed, output
        return int(processed[1])

    def write(self, office: Office, topic: str, value: bytes) -> Answer:
        output = self._run(
            office,
            "org.apache.kafka.tools.ConsoleProducer",
            ["--topic", topic, "--sync", "--reader-property", "parse.key=true"],
            b"key\t" + value + b"\n",
        )
        return _refusal(output) or 1

    def topics(self, office: Office) -> set[str]:
        return set(self._run(office, "org.apache.kafka.tools.TopicCommand", ["--list"]).split())

    def _run(self, office: Office, main: str, arguments: list[str], given: bytes = b"") -> str:
        token_url = f"{office.registry.url}/oauth2/token"
        config = self.directory / f"{office.client_id}.properties"
        config.write_text(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n"
            "sasl.login.callback.handler.class="
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler\n"
            f"sasl.oauthbearer.token.endpoint.url={token_url}\n"
            "sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
            f'clientId="{office.client_id}" clientSecret="{office.secret}";\n'
        )
        done = subprocess.run(
            [
                str(find_java()), "-Xmx128m", "-XX:TieredStopAtLevel=1",
                f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={token_url}",
                "-cp", str(find_jars(None) / "*"), main,
                "--bootstrap-server", self.bootstrap_servers, "--command-config", str(config), *arguments,
            ],
            input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90, check=False,
        )  # fmt: skip
        return done.stdout.decode()


def _refusal(output: str) -> str | None:
    return next((word for name, word in JAVA_REFUSALS.items() if name in output), None)
