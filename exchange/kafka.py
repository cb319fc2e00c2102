"""librdkafka: its settings for a system of the exchange, and its errors in the words of the family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from exchange.errors import BrokerUnavailable, ExchangeError, Fenced, LoginFailed, NotGranted
from exchange.registry_client import NodeInfo, RegistryClient
from exchange.settings import SystemSettings
from exchange.text import Text

ClientConfig = dict[str, Any]

REFUSALS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
FENCINGS = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - its public constants start with _
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
FENCED_WORD = "fenced"  # a static member learns of its successor by a fatal error that tells its cause only in words
LOGINS = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Broker:
    """How one system reaches its broker: addresses, and where librdkafka gets the system's token by itself (OIDC)."""

    settings: SystemSettings
    node: NodeInfo

    @classmethod
    def of(cls, settings: SystemSettings, registry: RegistryClient) -> Broker:
        """Return the broker of the registry's node, with what the settings override."""
        return cls(settings, registry.node())

    @property
    def client_id(self) -> str:
        """The principal's name at the broker."""
        return self.settings.identity.client_id

    def config(self, **more: Any) -> ClientConfig:
        """Return librdkafka's settings for this system, with ``more`` added (``_`` in names stands for a dot)."""
        kafka, identity = self.settings.kafka, self.settings.identity
        config: ClientConfig = {
            "bootstrap.servers": kafka.bootstrap_servers or self.node.bootstrap_servers,
            "security.protocol": kafka.security_protocol or self.node.security_protocol,
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": identity.client_id,
            "sasl.oauthbearer.client.secret": identity.secret.get_secret_value(),
            "sasl.oauthbearer.token.endpoint.url": self.node.token_url,
            "sasl.oauthbearer.scope": "kafka",
            "client.id": identity.client_id,
            "retry.backoff.ms": 5,  # a transaction right after another one is told to retry: 30 ms instead of 130
            "reconnect.backoff.max.ms": 2000,
            "log_level": 2,  # who waits for the broker says so once; librdkafka would say it each second
        }
        if kafka.ca_file:
            config["ssl.ca.location"] = str(kafka.ca_file)
        if self.settings.registry.ca_file:
            config["https.ca.location"] = str(self.settings.registry.ca_file)
        return config | {name.replace("_", "."): value for name, value in more.items()}

    def translate(self, error: KafkaError | KafkaException, target: str) -> ExchangeError:
        """Return ``error`` in the words of the exchange; ``target`` is the topic, group or transaction it was about."""
        kafka_error = error.args[0] if isinstance(error, KafkaException) else error
        return translate(kafka_error, self.client_id, target)


def translate(error: KafkaError, client_id: str, target: str) -> ExchangeError:
    """Return the error of the family for a KafkaError: refused, fenced, not logged in, away, or plain wrong."""
    code, reason = error.code(), f"{error.name()}: {error.str()}"
    if code in REFUSALS:
        return NotGranted(client_id=client_id, target=target, reason=reason)
    if code in FENCINGS or (code == KafkaError._FATAL and FENCED_WORD in error.str()):  # noqa: SLF001
        return Fenced(name=target)
    if code in LOGINS:
        return LoginFailed(client_id=client_id, reason=reason)
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return ExchangeError(
            reason=Text(
                f"{target}: a record is larger than the broker accepts", f"{target}：记录超过消息服务允许的大小"
            )
        )
    return BrokerUnavailable(reason=reason)
