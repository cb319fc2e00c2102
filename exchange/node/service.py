"""Up, down and status of a node: registry and broker, started in the order in which they need each other."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.node.errors import Busy, NotReady
from exchange.node.java import find_jars, find_java
from exchange.node.kafka import broker_part, prepare_broker, start_broker
from exchange.node.layout import Layout
from exchange.node.part import Part, State
from exchange.node.ports import broker_ports, registry_ports, require_free
from exchange.node.processes import poll_until
from exchange.node.registry import answers, registry_part, start_registry
from exchange.node.settings import NodeSettings
from exchange.text import Text

HEALTHY_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 120.0
PROBE_INTERVAL_S = 0.1

Report = Callable[[Text], None]


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a node that is up answers."""

    registry_url: str
    bootstrap_servers: str
    data_dir: Path


@dataclass(frozen=True, slots=True)
class PartStatus:
    """What ``status`` tells of one part; ``detail`` says what is wrong, or is empty."""

    name: Text
    state: State
    pid: int | None
    address: str
    detail: str


def quiet(_: Text) -> None:
    """Report nothing."""


def up(settings: NodeSettings, report: Report = quiet) -> NodeAddress:
    """Start what does not run yet, and return when the node answers.

    When it cannot be started, whatever this call started is stopped again. Errors: NodeError and its kinds.
    """
    layout = Layout.of(settings.node.data_dir)
    layout.prepare()
    with _alone(layout):
        missing = [part for part in _parts(settings, layout) if part.state() != "running"]
        if not missing:
            report(Text("The node runs already.", "交换节点已在运行。"))
        try:
            _start(settings, layout, report)
        except BaseException:
            for part in missing:
                part.stop()
            raise
    return NodeAddress(settings.registry_url, settings.bootstrap_servers, layout.data_dir)


def down(settings: NodeSettings, report: Report = quiet) -> None:
    """Stop the registry, then the broker; parts that do not run are left alone."""
    layout = Layout.of(settings.node.data_dir)
    if not layout.run.exists():
        report(Text("The node does not run.", "交换节点未在运行。"))
        return
    with _alone(layout):
        for part in (registry_part(layout), broker_part(layout)):
            if part.state() != "stopped":
                part.stop()
                report(Text(f"{part.name.en} is stopped.", f"{part.name.zh}已停止。"))


def status(settings: NodeSettings) -> list[PartStatus]:
    """Return the state of each part, with the last lines of the log of one that died."""
    layout = Layout.of(settings.node.data_dir)
    found = [_status(registry_part(layout), settings.registry_url)]
    if settings.embedded:
        found.append(_status(broker_part(layout), settings.bootstrap_servers))
    if all(part.state == "running" for part in found):
        found[0] = _with_readiness(found[0])
    return found


def _start(settings: NodeSettings, layout: Layout, report: Report) -> None:
    registry, broker = registry_part(layout), broker_part(layout)
    start_broker_too = settings.embedded and broker.state() != "running"
    if start_broker_too:
        find_java()
        find_jars(settings.kafka.home)
        require_free(broker_ports(settings))
    if registry.state() != "running":
        require_free(registry_ports(settings))
        report(Text("Starting the registry …", "正在启动登记中心 …"))
        start_registry(settings, layout)
    if start_broker_too:
        report(Text("Preparing the broker …", "正在准备消息服务 …"))
        prepare_broker(settings, layout)
    # The broker reads the registry's public keys when it starts, so they have to be there before it.
    _wait(registry, lambda: _healthy(settings, layout), [registry], HEALTHY_TIMEOUT_S)
    if start_broker_too:
        report(Text("Starting the broker …", "正在启动消息服务 …"))
        start_broker(settings, layout)
    needed = [registry, broker] if settings.embedded else [registry]
    _wait(registry, lambda: answers(settings.registry_url, "/readyz"), needed, READY_TIMEOUT_S)


def _healthy(settings: NodeSettings, layout: Layout) -> str:
    return answers(settings.registry_url, "/healthz") or ("" if layout.jwks.exists() else f"{layout.jwks} is missing")


def _wait(part: Part, problem: Callable[[], str], needed: list[Part], timeout_s: float) -> None:
    """Wait until ``problem`` is empty; a needed part that dies meanwhile ends the waiting."""
    last = ""

    def solved() -> bool:
        nonlocal last
        for other in needed:
            other.check()
        last = problem()
        return not last

    if not poll_until(solved, timeout_s, PROBE_INTERVAL_S):
        raise NotReady(part=part.name, timeout_s=round(timeout_s), reason=last, log=part.logs[0])


def _parts(settings: NodeSettings, layout: Layout) -> list[Part]:
    return [registry_part(layout), broker_part(layout)] if settings.embedded else [registry_part(layout)]


def _status(part: Part, address: str) -> PartStatus:
    state = part.state()
    return PartStatus(part.name, state, part.pid(), address, part.tail() if state == "died" else "")


def _with_readiness(part: PartStatus) -> PartStatus:
    return PartStatus(part.name, part.state, part.pid, part.address, answers(part.address, "/readyz"))


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    with (layout.run / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Busy(place=layout.data_dir) from exc
        yield
