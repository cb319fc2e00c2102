"""The settings of a node: ``node.toml`` (optional), with ``EXCHANGE_NODE_*`` and ``EXCHANGE_KAFKA_*`` over it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from exchange.config import Group, load

DEFAULT_FILE = Path("node.toml")
WILDCARDS = frozenset({"0.0.0.0", "::", "*", ""})  # noqa: S104 - refused, not used


class NodeGroup(Group):
    """Which node this is, where it keeps its data, and on which ports it listens."""

    data_dir: Path = Field(default=Path("var"), description="directory of data, secrets and logs", examples=["var"])
    division: str = Field(
        default="440000", pattern=r"^\d{6}$", description="division code of the node", examples=["440000"]
    )
    name: str = Field(
        default="广东省交换节点", min_length=1, description="name of the node", examples=["佛山市交换节点"]
    )
    host: str = Field(default="127.0.0.1", description="the one address that it listens on", examples=["127.0.0.1"])
    registry_port: int = Field(default=8440, ge=1, le=65535, description="port of the registry", examples=[8440])
    client_port: int = Field(default=9440, ge=1, le=65535, description="port of the broker", examples=[9440])
    internal_port: int = Field(default=9442, ge=1, le=65535, description="port of the broker itself", examples=[9442])
    controller_port: int = Field(default=9443, ge=1, le=65535, description="port of the controller", examples=[9443])
    metrics_port: int = Field(
        default=9444, ge=0, le=65535, description="port of the broker's own metrics; 0: none", examples=[9444]
    )

    @field_validator("host")
    @classmethod
    def _one_address(cls, value: str) -> str:
        if value in WILDCARDS:
            raise ValueError("one address of this machine, because clients are told to connect to it")
        return value


class BrokerGroup(Group):
    """The broker: embedded, unless ``bootstrap_servers`` names a cluster that exists."""

    bootstrap_servers: str | None = Field(
        default=None, description="an existing cluster, host:port, comma-separated", examples=["kafka-1:9092"]
    )
    security_protocol: str = Field(
        default="SASL_PLAINTEXT",
        pattern="^SASL_(PLAINTEXT|SSL)$",
        description="of the existing cluster",
        examples=["SASL_SSL"],
    )
    ca_file: Path | None = Field(default=None, description="certificate authority of the cluster", examples=["ca.pem"])
    home: Path | None = Field(default=None, description="an unpacked Kafka 4", examples=["kafka_2.13-4.3.0"])
    heap: str = Field(default="1g", pattern=r"^\d+[mMgG]$", description="memory of the broker", examples=["1g"])
    jvm_options: list[str] = Field(
        default=[], description="more options of the broker's Java", examples=["-XX:TieredStopAtLevel=1"]
    )


class NodeSettings(BaseModel):
    """All that ``exchange up`` needs to know."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    node: NodeGroup = NodeGroup()
    kafka: BrokerGroup = BrokerGroup()

    @property
    def registry_url(self) -> str:
        """Where the registry answers; also the issuer of its tokens."""
        return f"http://{bracketed(self.node.host)}:{self.node.registry_port}"

    @property
    def bootstrap_servers(self) -> str:
        """Where clients reach the broker."""
        return self.kafka.bootstrap_servers or f"{bracketed(self.node.host)}:{self.node.client_port}"

    @property
    def embedded(self) -> bool:
        """Whether the node starts a broker of its own."""
        return self.kafka.bootstrap_servers is None


def load_node(path: Path | None = None, environ: Mapping[str, str] | None = None) -> NodeSettings:
    """Return the settings from ``path`` (None: ``node.toml`` here, if there is one). Errors: ConfigError."""
    env = os.environ if environ is None else environ
    file = path or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    settings = load(NodeSettings, file, env)
    if settings.kafka.home is None and env.get("KAFKA_HOME"):
        kafka = settings.kafka.model_copy(update={"home": Path(env["KAFKA_HOME"])})
        return settings.model_copy(update={"kafka": kafka})
    return settings


def bracketed(host: str) -> str:
    """Return ``host`` as it stands before ``:port``: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
