"""The ports of a node, checked before anything is started."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

from exchange.node.errors import PortTaken
from exchange.node.settings import NodeSettings
from exchange.text import Text

LOOPBACK = "127.0.0.1"
# Below the range from which the system picks ports of its own, so that a port that was free stays free.
UNASSIGNED = (20_000, 32_000)


@dataclass(frozen=True, slots=True)
class Port:
    """One port that a part of the node listens on, and the setting that moves it."""

    host: str
    number: int
    key: str
    what: Text

    def free(self) -> bool:
        """Return whether it can be listened on now."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.number))
            except OSError:
                return False
        return True

    def taken(self) -> PortTaken:
        """Return the error that says how to move it."""
        variable = f"EXCHANGE_NODE_{self.key.upper()}"
        return PortTaken(port=self.number, what=self.what, key=f"node.{self.key}", variable=variable)


def registry_ports(settings: NodeSettings) -> list[Port]:
    """Return the ports of the registry."""
    node = settings.node
    return [Port(node.host, node.registry_port, "registry_port", Text("the registry", "登记中心"))]


def broker_ports(settings: NodeSettings) -> list[Port]:
    """Return the ports of the embedded broker; only the clients' one leaves this machine's loopback."""
    node = settings.node
    metrics = Port(LOOPBACK, node.metrics_port, "metrics_port", Text("the broker's metrics", "消息服务指标"))
    return [
        *([metrics] if node.metrics_port else []),
        Port(node.host, node.client_port, "client_port", Text("the broker", "消息服务")),
        Port(LOOPBACK, node.internal_port, "internal_port", Text("the broker itself", "消息服务内部通信")),
        Port(LOOPBACK, node.controller_port, "controller_port", Text("the broker's controller", "消息服务控制器")),
    ]


def require_free(ports: list[Port]) -> None:
    """Raise PortTaken for the first port that is not free."""
    for port in ports:
        if not port.free():
            raise port.taken()


_given: set[int] = set()  # by this process: what was given and is not listened on yet is not free


def free_ports(count: int) -> list[int]:
    """Return ``count`` different ports of loopback that nothing listens on, none of them returned before."""
    found: list[int] = []
    while len(found) < count:
        candidate = Port(LOOPBACK, random.randint(*UNASSIGNED), "", Text("", ""))  # noqa: S311 - not a secret
        if candidate.number not in _given and candidate.free():
            _given.add(candidate.number)
            found.append(candidate.number)
    return found
