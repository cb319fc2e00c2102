"""The probe: waits until every broker of a cluster has heard of the ACLs that were changed so far.

The controller answers a change before the brokers have heard of it. They take the controller's log in its order, so a
broker that knows the newest ACL knows all changes before it. The newest one is the probe's own: it lets the probe, who
may do nothing else, ask for the settings of a topic of a new name. Each broker is asked, and whoever refuses has not
heard yet; who has says that there is no such topic.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

from exchange.errors import BrokerUnavailable
from exchange.text import Text
from registry.access.tokens import PROBE
from registry.enforcement.acls import Acl, Kind, Scope, principal
from registry.enforcement.broker import Broker, ClientConfig, translated

POLL_S = 0.01
NAME = f"{PROBE}-"


class Probe:
    """Asks the brokers as ``PROBE``; its ACLs are made and removed by ``broker``. One call at a time."""

    def __init__(self, config: ClientConfig, broker: Broker, timeout_s: float) -> None:
        self._config = config
        self._broker = broker
        self._timeout_s = timeout_s
        self._admin: AdminClient | None = None

    def poll(self) -> None:
        """Serve the client's callbacks: without it no token is renewed."""
        if self._admin is not None:
            self._admin.poll(0)

    def wait(self) -> None:
        """Return once all brokers have heard; one alone has, since it answered.

        A broker that the controller counts out is not waited for: it has heard before it is counted in again.
        Errors: BrokerUnavailable, BrokerRefused.
        """
        if len(self._broker.ids()) < 2:  # noqa: PLR2004 - a cluster
            return
        mark = Acl(Kind.TOPIC, f"{NAME}{secrets.token_hex(8)}", "LITERAL", principal(PROBE), "DESCRIBE_CONFIGS")
        if self._admin is None:  # what a process that was killed has left behind
            self._broker.remove(self._broker.acls(Scope(client_id=PROBE)))
        self._broker.add([mark])
        try:
            self._await(mark.name)
        finally:
            self._broker.remove([mark])

    def _await(self, name: str) -> None:
        until, pause, heard = time.monotonic() + self._timeout_s, threading.Event(), set[int]()
        while missing := self._broker.ids() - heard:
            heard |= self._heard(missing, name)
            if time.monotonic() > until:
                who = ", ".join(map(str, sorted(missing - heard)))
                raise BrokerUnavailable(reason=Text(f"broker {who} has not heard yet", f"消息服务节点 {who} 尚未生效"))
            if missing - heard:
                pause.wait(POLL_S)

    def _heard(self, brokers: Iterable[int], name: str) -> set[int]:
        """Return which brokers know the ACL about the topic ``name``."""
        found: set[int] = set()
        with translated():
            admin = self._ready()
            topic = ConfigResource(ConfigResource.Type.TOPIC, name)
            asked = {
                broker: admin.describe_configs([topic], broker=broker, request_timeout=self._timeout_s)[topic]
                for broker in brokers
            }
            for broker, answer in asked.items():
                try:
                    answer.result(self._timeout_s + 1)
                except KafkaException as exc:
                    code = exc.args[0].code()
                    if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                        found.add(broker)
                    elif code != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                        raise
        return found

    def _ready(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self._config)
        self._admin.poll(0)
        return self._admin
