"""The embedded broker: one Kafka process, broker and controller, formatted once."""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from pathlib import Path

from exchange.node.broker_properties import render
from exchange.node.errors import FormatFailed
from exchange.node.java import find_agent, find_jars, find_java
from exchange.node.layout import Layout, checkout
from exchange.node.part import Part
from exchange.node.ports import LOOPBACK
from exchange.node.secrets import secret, write_private
from exchange.node.settings import NodeSettings
from exchange.text import Text

STOP_TIMEOUT_S = 30.0
FORMAT_TIMEOUT_S = 60
LOGGING = Path("deploy/kafka/log4j2.xml")
METRICS = Path("deploy/kafka/metrics.yml")
ONCE = "-XX:TieredStopAtLevel=1"  # who runs for a second does not live to enjoy optimised code
OPTIONS = ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"]


def broker_part(layout: Layout) -> Part:
    """Return the broker's process; the JVM's own complaints go to ``kafka.out``."""
    return Part(
        Text("The broker", "消息服务"),
        layout.run / "kafka.pid",
        (layout.logs / "kafka.log", layout.logs / "kafka.out"),
        STOP_TIMEOUT_S,
    )


def broker_password(layout: Layout) -> str:
    """Return the password that the broker proves to itself, generated at the first start."""
    return secret(layout.secrets / "broker.password")


def prepare_broker(settings: NodeSettings, layout: Layout) -> None:
    """Write the broker's settings and format its storage if that was never done. Errors: FormatFailed."""
    properties = _properties_file(layout)
    write_private(properties, render(settings, layout, broker_password(layout)))
    if (layout.kafka / "meta.properties").exists():
        return
    java = _jvm(settings, layout, ONCE)
    argv = [*java, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(properties)]
    answer = subprocess.run(  # noqa: S603 - our own arguments
        argv, env=_environment(), capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False
    )
    if answer.returncode:
        lines = (answer.stderr.strip() or answer.stdout.strip() or str(answer.returncode)).splitlines()
        raise FormatFailed(place=layout.kafka, reason=lines[-1])


def start_broker(settings: NodeSettings, layout: Layout) -> None:
    """Start the broker; it is not ready yet when this returns."""
    java, *options = _jvm(settings, layout)
    argv = [java, *_agent(settings), *options, "kafka.Kafka", str(_properties_file(layout))]
    broker_part(layout).start(argv, _environment(), directory=layout.data_dir)


def _agent(settings: NodeSettings) -> list[str]:
    """Return the option that makes the broker answer Prometheus, on loopback only: nobody has to log in there."""
    agent = find_agent(settings.kafka.home)
    if agent is None or not settings.node.metrics_port:
        return []
    return [f"-javaagent:{agent}={LOOPBACK}:{settings.node.metrics_port}:{checkout() / METRICS}"]


def _jvm(settings: NodeSettings, layout: Layout, *more: str) -> list[str]:
    return [
        find_java(),
        f"-Xmx{settings.kafka.heap}",
        *OPTIONS,
        *settings.kafka.jvm_options,
        *more,
        f"-Dlog4j2.configurationFile={(checkout() / LOGGING).as_uri()}",
        f"-Dexchange.logs={layout.logs}",
        f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={layout.jwks_url}",
        "-cp",
        f"{find_jars(settings.kafka.home)}/*",
    ]


def _environment() -> dict[str, str]:
    """Return only what a JVM needs: secrets of this process's environment are none of the broker's business."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if name in os.environ}


def _properties_file(layout: Layout) -> Path:
    return layout.secrets / "server.properties"


def _cluster_id() -> str:
    return base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # never starts with "-"
