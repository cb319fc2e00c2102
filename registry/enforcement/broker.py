"""Kafka's administration as the enforcer needs it; confluent-kafka's errors end here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBindingFilter
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

from exchange.errors import BrokerUnavailable
from registry.access.tokens import BROKER_AUDIENCE, SELF, Tokens
from registry.enforcement.acls import AUDIT_TOPIC, Acl, Scope, TopicSpec, principal
from registry.enforcement.bindings import acl_of, any_filter, binding, binding_filter
from registry.errors import BrokerRefused
from registry.settings import BrokerGroup

CHUNK = 500  # things in one request
BY_BROKER = -1  # partitions or replicas as the broker's own default says

F = TypeVar("F")
ClientConfig = dict[str, Any]


def client_config(settings: BrokerGroup, tokens: Tokens, subject: str = SELF) -> ClientConfig:
    """Return the librdkafka configuration of the registry itself, which logs in with a token that it issues."""

    def login(_config: str) -> tuple[str, float]:
        token = tokens.issue(subject, [BROKER_AUDIENCE])
        return token.text, float(token.expires_at)

    config: ClientConfig = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": login,
        "client.id": subject,
        "log_level": 2,  # a broker that is away is said by the enforcer, once
        "reconnect.backoff.max.ms": 1000,
    }
    if settings.ca_file:
        config["ssl.ca.location"] = str(settings.ca_file)
    return config


@contextmanager
def translated() -> Iterator[None]:
    """Turn confluent-kafka's errors into BrokerUnavailable or BrokerRefused."""
    try:
        yield
    except KafkaException as exc:
        raise _error(exc.args[0]) from exc
    except TimeoutError as exc:
        raise BrokerUnavailable(reason="timeout") from exc


AWAY = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 (confluent-kafka's public names of local errors begin with _)
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._AUTHENTICATION,  # noqa: SLF001 (a broker that has not read the keys yet)
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_CONTROLLER,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.BROKER_NOT_AVAILABLE,
    }
)


def _error(error: KafkaError) -> BrokerUnavailable | BrokerRefused:
    kind = BrokerUnavailable if error.code() in AWAY or error.retriable() else BrokerRefused
    return kind(reason=f"{error.name()}: {error.str()}")


class Broker:
    """The cluster that the registry governs. All calls raise BrokerUnavailable or BrokerRefused."""

    def __init__(self, config: ClientConfig, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._admin = AdminClient(config)
        self.poll()

    def poll(self) -> None:
        """Serve the client's callbacks: without it no token is renewed."""
        self._admin.poll(0)

    def acls(self, scope: Scope) -> frozenset[Acl]:
        """Return the ACLs in a scope; of a kind that the client cannot name, none."""
        who = principal(scope.client_id) if scope.client_id else None
        if not scope.topics:
            return self._described([any_filter(ResourceType.ANY, None, ResourcePatternType.ANY, who)])
        literal = ResourcePatternType.LITERAL
        return self._described([any_filter(ResourceType.TOPIC, topic, literal, who) for topic in scope.topics])

    def present(self, acls: Iterable[Acl]) -> frozenset[Acl]:
        """Return those of a few ACLs that are there: the broker looks through all it has for each."""
        return self._described([binding_filter(acl) for acl in acls])

    def add(self, acls: Iterable[Acl]) -> None:
        """Create ACLs; one that is there already is no error."""
        for chunk in _chunks(sorted(acls)):
            self._all(self._admin.create_acls, [binding(acl) for acl in chunk])

    def remove(self, acls: Iterable[Acl]) -> frozenset[Acl]:
        """Delete ACLs; return those that were there."""
        gone: set[Acl] = set()
        for chunk in _chunks(sorted(acls)):
            results = self._all(self._admin.delete_acls, [binding_filter(acl) for acl in chunk])
            gone |= {acl_of(found) for result in results for found in result}
        return frozenset(gone)

    def topics(self, names: AbstractSet[str] | None = None) -> dict[str, int]:
        """Return those of the topics (None: of all) that are there, with their numbers of partitions."""
        found: dict[str, int] = {}
        with translated():
            self.poll()
            for name in [None] if names is None else sorted(names):
                there = self._admin.list_topics(topic=name, timeout=self._timeout_s).topics
                found |= {word: len(topic.partitions) for word, topic in there.items() if topic.error is None}
        return found

    def ids(self) -> set[int]:
        """Return the brokers that serve at present."""
        with translated():
            self.poll()
            return set(self._admin.list_topics(topic=AUDIT_TOPIC, timeout=self._timeout_s).brokers)

    def create(self, specs: Iterable[TopicSpec]) -> None:
        """Create topics; one that is there already is no error."""
        for chunk in _chunks(sorted(specs, key=lambda spec: spec.name)):
            new = [NewTopic(s.name, s.partitions, BY_BROKER, config=dict(s.config)) for s in chunk]
            self._all(self._admin.create_topics, new, KafkaError.TOPIC_ALREADY_EXISTS)

    def drifted(self, specs: Sequence[TopicSpec]) -> list[TopicSpec]:
        """Return those topics of ``specs`` whose settings are not as held."""
        found: list[TopicSpec] = []
        for chunk in _chunks(specs):
            resources = [ConfigResource(ConfigResource.Type.TOPIC, spec.name) for spec in chunk]
            answers = self._all(self._admin.describe_configs, resources, KafkaError.UNKNOWN_TOPIC_OR_PART)
            for spec, answer in zip(chunk, answers, strict=True):
                if answer and any(answer[key].value != value for key, value in spec.config.items()):
                    found.append(spec)
        return found

    def repair(self, specs: Iterable[TopicSpec]) -> None:
        """Set the held settings of topics; others stay as they are."""
        for chunk in _chunks(list(specs)):
            resources = [
                ConfigResource(
                    ConfigResource.Type.TOPIC,
                    spec.name,
                    incremental_configs=[
                        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                        for key, value in spec.config.items()
                    ],
                )
                for spec in chunk
            ]
            self._all(self._admin.incremental_alter_configs, resources)

    def _described(self, wanted: Sequence[AclBindingFilter]) -> frozenset[Acl]:
        with translated():
            self.poll()
            asked = [self._admin.describe_acls(one, **self._within()) for one in wanted]  # at once, not in turns
            return frozenset(acl_of(found) for future in asked for found in future.result(self._patience()))

    def _all(
        self, call: Callable[..., Mapping[Any, Future[Any]]], things: list[Any], tolerated: int | None = None
    ) -> list[Any]:
        """Wait for all answers; None stands for one that failed with the tolerated code."""
        results: list[Any] = []
        with translated():
            self.poll()
            for future in call(things, **self._within()).values():
                try:
                    results.append(future.result(self._patience()))
                except KafkaException as exc:
                    if exc.args[0].code() != tolerated:
                        raise
                    results.append(None)
        return results

    def _within(self) -> dict[str, float]:
        return {"request_timeout": self._timeout_s}

    def _patience(self) -> float:
        return self._timeout_s + 1  # the client's own timeout says more


def _chunks(things: Sequence[F]) -> Iterator[Sequence[F]]:
    for start in range(0, len(things), CHUNK):
        yield things[start : start + CHUNK]
