"""The embedded broker's ``server.properties``: no listener without SASL, nothing readable without an ACL."""

from __future__ import annotations

from exchange.node.layout import Layout
from exchange.node.ports import LOOPBACK
from exchange.node.settings import NodeSettings, bracketed

AUDIENCE = "exchange-broker"
SUPER_USERS = "User:broker;User:exchange-registry"
HUNDRED_YEARS_MIN = 52_560_000
REAUTHENTICATE_MS = 3_600_000
IDLE_MS = 60_000
COORDINATOR_PARTITIONS = "10"  # 50 are for clusters; one broker starts quicker with less

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_BEARER = "org.apache.kafka.common.security.oauthbearer"


def render(settings: NodeSettings, layout: Layout, password: str) -> str:
    """Return the text of the properties file; ``password`` is what the broker proves to itself."""
    facts = _roles(settings) | _logins(settings, layout, password) | _storage(layout)
    return "".join(f"{key}={escape(value)}\n" for key, value in facts.items())


def escape(value: str) -> str:
    r"""Return ``value`` as a Java properties value: ASCII, with ``\uXXXX`` for the rest."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    letters = [chr(int.from_bytes(units[i : i + 2], "big")) for i in range(0, len(units), 2)]
    return "".join(x if x.isascii() and x.isprintable() else f"\\u{ord(x):04x}" for x in letters)


def _roles(settings: NodeSettings) -> dict[str, str]:
    node = settings.node
    client, internal = (
        f"CLIENT://{bracketed(node.host)}:{node.client_port}",
        f"INTERNAL://{LOOPBACK}:{node.internal_port}",
    )
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{node.controller_port}",
        "listeners": f"{client},{internal},CONTROLLER://{LOOPBACK}:{node.controller_port}",
        "advertised.listeners": f"{client},{internal}",
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,INTERNAL:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "controller.listener.names": "CONTROLLER",
    }


def _logins(settings: NodeSettings, layout: Layout, password: str) -> dict[str, str]:
    plain = f'{_PLAIN} required username="broker" password="{password}" user_broker="{password}";'
    bearer = "listener.name.client.oauthbearer."
    return {
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.internal.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.internal.plain.sasl.jaas.config": plain,
        "listener.name.controller.plain.sasl.jaas.config": plain,
        f"{bearer}sasl.jaas.config": f"{_BEARER}.OAuthBearerLoginModule required;",
        f"{bearer}sasl.server.callback.handler.class": f"{_BEARER}.OAuthBearerValidatorCallbackHandler",
        f"{bearer}sasl.oauthbearer.jwks.endpoint.url": layout.jwks_url,
        f"{bearer}sasl.oauthbearer.expected.audience": AUDIENCE,
        f"{bearer}sasl.oauthbearer.expected.issuer": settings.registry_url,
        f"{bearer}connections.max.reauth.ms": str(REAUTHENTICATE_MS),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": SUPER_USERS,
        "connections.max.idle.ms": str(IDLE_MS),
    }


def _storage(layout: Layout) -> dict[str, str]:
    return {
        "log.dirs": str(layout.kafka),
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": COORDINATOR_PARTITIONS,
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": COORDINATOR_PARTITIONS,
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.retention.minutes": str(HUNDRED_YEARS_MIN),  # a source that rests keeps its position
    }
