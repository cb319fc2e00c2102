"""The groups of settings that several processes share; each component adds its own beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from exchange.config import BESIDE, Group


class IdentitySettings(Group):
    """Who this process is: a system of the catalogue, and so a principal at the broker."""

    client_id: str = Field(description="the system's client_id", examples=["440000-mz-villages"])
    secret: SecretStr = Field(description="the system's secret, from a file or the environment")
    key_dir: Path | None = Field(
        default=None,
        description="folder of the key that signs receipts; the configuration file's own when it is left out",
        examples=["keys"],
        json_schema_extra=BESIDE,
    )


class RegistrySettings(Group):
    """Where the registry of this node answers."""

    url: str = Field(description="the registry's address", examples=["http://127.0.0.1:8440"], pattern=r"^https?://")
    timeout_s: float = Field(default=10.0, gt=0, description="seconds to wait for one answer")
    ca_file: Path | None = Field(default=None, description="certificate authority of the registry", examples=["ca.pem"])


class KafkaSettings(Group):
    """How to reach the broker; what is left out is asked of the registry."""

    bootstrap_servers: str | None = Field(
        default=None, description="host:port, comma-separated", examples=["127.0.0.1:9440"]
    )
    security_protocol: str | None = Field(
        default=None,
        pattern="^SASL_(PLAINTEXT|SSL)$",
        description="SASL_SSL outside of one machine",
        examples=["SASL_SSL"],
    )
    ca_file: Path | None = Field(default=None, description="certificate authority of the brokers", examples=["ca.pem"])


class MetricsSettings(Group):
    """The port on which Prometheus reads this process; 0 means none."""

    port: int = Field(default=0, ge=0, le=65535, description="port of /metrics; 0: no metrics", examples=[9441])
    host: str = Field(default="127.0.0.1", description="address that /metrics listens on", examples=["127.0.0.1"])
    address: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}$",
        description="host:port at which Prometheus finds it, where that is not host and port",
        examples=["10.1.2.3:9441"],
    )
    textfile: Path | None = Field(
        default=None,
        description="file for node_exporter's textfile collector, written every 15 s and at the end",
        examples=["/var/lib/node_exporter/villages.prom"],
    )


class LogSettings(Group):
    """What the log looks like."""

    format: Literal["console", "json"] = Field(
        default="console", description="lines for a person, or a JSON object a line", examples=["json"]
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is written", examples=["warning"]
    )
    batches: bool = Field(default=True, description="a line for each batch that was published or landed")


class TracingSettings(Group):
    """Where spans go (OpenTelemetry); nowhere without an endpoint."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="an OTLP/HTTP collector; /v1/traces is added",
        examples=["http://127.0.0.1:4318"],
    )
    share: float = Field(default=1.0, ge=0, le=1, description="share of the traces that is sent", examples=[0.1])
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="seconds to wait for the collector")


class SystemSettings(Group):
    """What the SDK needs: one file for a department's own program."""

    identity: IdentitySettings
    registry: RegistrySettings
    kafka: KafkaSettings = KafkaSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
