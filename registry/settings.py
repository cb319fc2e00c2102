"""The settings of the registry: one TOML file, ``EXCHANGE_*`` variables over it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from exchange.config import Group


class RegistryGroup(Group):
    """Where the registry answers, and what it keeps."""

    host: str = Field(default="127.0.0.1", description="address that it listens on", examples=["127.0.0.1"])
    port: int = Field(default=8440, ge=0, le=65535, description="port that it listens on; 0: any free one")
    issuer: str = Field(default="exchange", min_length=1, description="`iss` of the tokens", examples=["exchange"])
    data_dir: Path = Field(default=Path("var/registry"), description="keys and the default database")
    token_ttl_s: int = Field(default=900, ge=60, le=86400, description="seconds that a token is valid")
    key_delay_s: int = Field(default=10, ge=0, description="seconds from a new key's publication to its first use")
    receipt_grace_s: int = Field(default=60, ge=0, description="seconds until what has not landed counts as lost")


class DatabaseGroup(Group):
    """The registry's own database; without a url, SQLite in the data directory."""

    url: str | None = Field(
        default=None, description="SQLAlchemy URL", examples=["postgresql+psycopg://exchange@db.example/exchange"]
    )
    password: SecretStr | None = Field(default=None, description="the database user's password")


class NodeGroup(Group):
    """The exchange node that this registry governs."""

    division: str = Field(
        default="440000", pattern=r"^\d{6}$", description="GB/T 2260 code of the node", examples=["440000"]
    )
    name: str = Field(default="广东省交换节点", description="name of the node", examples=["广东省交换节点"])


class BrokerGroup(Group):
    """The Kafka cluster that this registry governs."""

    bootstrap_servers: str = Field(
        default="127.0.0.1:9440", description="host:port, comma-separated", examples=["127.0.0.1:9440"]
    )
    security_protocol: Literal["SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="SASL_PLAINTEXT", description="SASL_SSL outside of one machine"
    )
    ca_file: Path | None = Field(default=None, description="certificate authority of the brokers", examples=["ca.pem"])
    jwks_file: Path | None = Field(
        default=None,
        description="file in which an embedded broker finds the keys; none: the broker asks /oauth2/jwks",
        examples=["jwks.json"],
    )
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="seconds to wait for one answer of the broker")


class EnforcerGroup(Group):
    """How the broker is held equal to the grants."""

    interval_s: float = Field(default=30.0, gt=0, description="seconds between two full comparisons")
    unknown_acls: Literal["remove", "report"] = Field(
        default="remove", description="what happens to ACLs of principals that the registry does not know"
    )
    preserve_principals: list[str] = Field(
        default=[], description="principals whose ACLs are left alone", examples=["User:operator"]
    )
    fence: bool = Field(default=True, description="complete parked fetches after a revocation")


class Settings(Group):
    """All settings of the registry."""

    registry: RegistryGroup = RegistryGroup()
    database: DatabaseGroup = DatabaseGroup()
    node: NodeGroup = NodeGroup()
    broker: BrokerGroup = BrokerGroup()
    enforcer: EnforcerGroup = EnforcerGroup()
