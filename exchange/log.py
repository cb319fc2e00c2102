"""A topic's log: the topic by its name and by the id that Kafka gave it, ``topic@id``.

A topic that was deleted and made anew, or whose broker lost its disk, has another id: it is another log, in which
offsets of the old one mean nothing. A destination keeps its positions by log, so that it starts the new one from the
beginning and passes nothing over.
"""

from __future__ import annotations

from confluent_kafka import KafkaException, TopicCollection, Uuid
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._topic import TopicDescription

from exchange.errors import BrokerUnavailable
from exchange.kafka import Broker
from exchange.text import Text

ANSWER_TIMEOUT_S = 10.0
SIGN = "@"  # no topic has it in its name


def log_of(broker: Broker, topic: str) -> str:
    """Return the log that ``topic`` has now, as the broker says. Errors: NotGranted, LoginFailed, BrokerUnavailable."""
    return log_name(topic, described(broker, topic).topic_id)


def described(broker: Broker, topic: str, *, operations: bool = False) -> TopicDescription:
    """Return what the broker says of a topic; ``operations``: what it lets this system do there too.

    Errors: NotGranted, LoginFailed, BrokerUnavailable.
    """
    admin = AdminClient(broker.config())
    try:
        asked = admin.describe_topics(
            TopicCollection([topic]), include_authorized_operations=operations, request_timeout=ANSWER_TIMEOUT_S
        )
        found: TopicDescription = asked[topic].result(ANSWER_TIMEOUT_S + 1)  # the client's own timeout says more
    except KafkaException as exc:
        raise broker.translate(exc, topic) from exc
    except TimeoutError as exc:
        raise BrokerUnavailable(reason=Text(f"no answer about {topic}", f"查询 {topic} 无响应")) from exc
    return found


def log_name(topic: str, topic_id: Uuid) -> str:
    """Return the name of a log."""
    return f"{topic}{SIGN}{topic_id}"


def topic_of(log: str) -> str:
    """Return the name of a log's topic."""
    return log.partition(SIGN)[0]
