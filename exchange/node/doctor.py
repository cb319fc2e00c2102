"""What a node needs, checked one by one; each check that fails names the line that mends it."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from exchange.errors import ExchangeError, RegistryUnavailable
from exchange.kafka import translate
from exchange.node.java import AGENT_JAR, OLDEST_JAVA, find_agent, find_jars, find_java, java_version
from exchange.node.kafka import broker_part, broker_password
from exchange.node.layout import Layout
from exchange.node.ports import LOOPBACK, Port, broker_ports, registry_ports
from exchange.node.postgres import find_programs
from exchange.node.registry import answers, clock_of, probe, registry_part
from exchange.node.settings import NodeSettings
from exchange.text import Text

LEAST_DISK_BYTES = 2 * 1024**3
CLOCK_TOLERANCE_S = 5.0
BROKER_TIMEOUT_S = 10.0
NOTHING = Text("", "")
METRICS = Text("The broker's metrics", "消息服务指标")
START = Text("exchange up", "exchange up")


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the doctor's answer; ``fix`` is empty when all is well."""

    name: Text
    ok: bool
    found: Text
    fix: Text = NOTHING


def examine(settings: NodeSettings) -> list[Check]:
    """Return all checks; nothing is changed, and nothing raises."""
    checks: list[tuple[Text, Callable[[NodeSettings], Check]]] = [
        (Text("Data directory", "数据目录"), _disk),
        (Text("PostgreSQL programs", "PostgreSQL 程序"), _postgres),
        (Text("Ports", "端口"), _ports),
        (Text("Registry", "登记中心"), _registry),
        (Text("Clock", "时钟"), _clock),
    ]
    if settings.embedded:
        kafka = [(Text("Java", "Java"), _java), (Text("Kafka's jars", "Kafka 的 jar"), _jars), (METRICS, _metrics)]
        checks = [*kafka, *checks, (Text("Broker, with SASL", "消息服务（SASL）"), _broker)]
    return [_guarded(name, check, settings) for name, check in checks]


def _guarded(name: Text, check: Callable[[NodeSettings], Check], settings: NodeSettings) -> Check:
    try:
        return check(settings)
    except ExchangeError as exc:
        found = Text(exc.message("en"), exc.message("zh"))
        return Check(name, ok=False, found=found, fix=Text(exc.next_step("en"), exc.next_step("zh")))


def _java(_: NodeSettings) -> Check:
    java = find_java()
    version = java_version(java)
    install = Text("apt-get install openjdk-17-jre-headless", "apt-get install openjdk-17-jre-headless")
    return _row(Text("Java", "Java"), version >= OLDEST_JAVA, _same(f"{version}, {java}"), install)


def _jars(settings: NodeSettings) -> Check:
    libs = find_jars(settings.kafka.home)
    return Check(Text("Kafka's jars", "Kafka 的 jar"), ok=True, found=_same(str(libs)))


def _metrics(settings: NodeSettings) -> Check:
    """A broker works without them: whoever wants none sets the port to 0."""
    port = settings.node.metrics_port
    if not port:
        return Check(METRICS, ok=True, found=Text("not wanted: node.metrics_port = 0", "未启用：node.metrics_port = 0"))
    libs = find_jars(settings.kafka.home)
    place = _same(f"http://{LOOPBACK}:{port}/metrics")
    missing = Text(f"{AGENT_JAR} is not in {libs}", f"{libs} 中没有 {AGENT_JAR}")
    found = find_agent(settings.kafka.home) is not None
    fix = Text("make setup, or EXCHANGE_NODE_METRICS_PORT=0", "make setup，或 EXCHANGE_NODE_METRICS_PORT=0")
    return _row(METRICS, found, place if found else missing, fix)


def _disk(settings: NodeSettings) -> Check:
    place = _existing(settings.node.data_dir.resolve())
    free = shutil.disk_usage(place).free
    found = Text(f"{free / 1024**3:.1f} GiB free in {place}", f"{place} 剩余 {free / 1024**3:.1f} GiB")
    fix = Text(
        "free some space, or EXCHANGE_NODE_DATA_DIR=<a larger disk>", "清理磁盘，或 EXCHANGE_NODE_DATA_DIR=<更大的磁盘>"
    )
    return _row(Text("Data directory", "数据目录"), free >= LEAST_DISK_BYTES, found, fix)


def _postgres(_: NodeSettings) -> Check:
    return Check(Text("PostgreSQL programs", "PostgreSQL 程序"), ok=True, found=_same(str(find_programs())))


def _ports(settings: NodeSettings) -> Check:
    layout = Layout.of(settings.node.data_dir)
    needed: list[Port] = []
    if registry_part(layout).state() != "running":
        needed += registry_ports(settings)
    if settings.embedded and broker_part(layout).state() != "running":
        needed += broker_ports(settings)
    for port in needed:
        if not port.free():
            raise port.taken()
    used = [*registry_ports(settings), *(broker_ports(settings) if settings.embedded else [])]
    return Check(Text("Ports", "端口"), ok=True, found=_same(", ".join(str(port.number) for port in used)))


def _registry(settings: NodeSettings) -> Check:
    part = registry_part(Layout.of(settings.node.data_dir))
    if part.state() == "died":
        raise part.died()
    problem = answers(settings.registry_url, "/readyz")
    found = _same(f"{settings.registry_url} {problem}".rstrip())
    return _row(Text("Registry", "登记中心"), not problem, found, START)


def _clock(settings: NodeSettings) -> Check:
    name = Text("Clock", "时钟")
    try:
        clock = clock_of(probe(settings.registry_url, "/healthz"))
    except RegistryUnavailable:
        silent = Text("the registry does not tell the time", "登记中心未应答，无法核对时间")
        return Check(name, ok=False, found=silent, fix=START)
    apart = abs(time.time() - clock) if clock is not None else 0.0
    found = Text(f"{apart:.0f} s apart from the registry", f"与登记中心相差 {apart:.0f} 秒")
    fix = Text("timedatectl set-ntp true, on both machines", "在两台机器上运行 timedatectl set-ntp true")
    return _row(name, apart <= CLOCK_TOLERANCE_S, found, fix)


def _broker(settings: NodeSettings) -> Check:
    layout = Layout.of(settings.node.data_dir)
    name, part = Text("Broker, with SASL", "消息服务（SASL）"), broker_part(layout)
    if part.state() == "died":
        raise part.died()
    if part.state() == "stopped":
        return Check(name, ok=False, found=Text("it does not run", "未运行"), fix=START)
    metadata = _log_in(settings, layout)
    return Check(name, ok=True, found=Text(f"{metadata} topics", f"{metadata} 个主题"))


def _log_in(settings: NodeSettings, layout: Layout) -> int:
    """Log in as the broker itself, on the listener that only this machine reaches; return how many topics there are."""
    silent = logging.getLogger("exchange.node.doctor.librdkafka")
    silent.disabled = True  # the row of the table says it
    client = AdminClient(
        {
            "bootstrap.servers": f"{LOOPBACK}:{settings.node.internal_port}",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "broker",
            "sasl.password": broker_password(layout),
        },
        logger=silent,
    )
    try:
        return len(client.list_topics(timeout=BROKER_TIMEOUT_S).topics)
    except KafkaException as exc:
        raise translate(exc.args[0], "broker", "metadata") from exc


def _row(name: Text, ok: bool, found: Text, fix: Text) -> Check:
    return Check(name, ok, found, NOTHING if ok else fix)


def _same(words: str) -> Text:
    return Text(words, words)


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
