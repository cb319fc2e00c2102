"""The broker of deploy/compose as it is shipped: it starts, speaks TLS, and lets nobody in without token and grant."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.node.java import find_jars, find_java
from exchange.node.part import Part
from exchange.node.ports import free_ports
from exchange.text import Text
from registry.access.keys import Keyring
from registry.access.tokens import Tokens
from registry.enforcement.broker import ClientConfig, client_config
from registry.settings import BrokerGroup
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]
URL = "https://registry.example"


@pytest.mark.long
def test_the_shipped_broker(tmp_path: Path) -> None:
    compose = tmp_path / "compose"
    shutil.copytree(ROOT / "deploy/compose", compose, ignore=shutil.ignore_patterns("secrets", ".env"))
    subprocess.run([str(compose / "prepare.sh"), "127.0.0.1", URL], check=True, timeout=30, capture_output=True)
    certify(compose / "secrets")
    client, internal, controller = free_ports(3)
    properties = compose / "kafka/server.properties"
    text = properties.read_text(encoding="ascii")
    for there, here in {
        "/run/secrets": str(compose / "secrets"), "/var/lib/jwks": str(tmp_path / "jwks"), "0.0.0.0": "127.0.0.1",
        "/var/lib/kafka/data": str(tmp_path / "kafka"), ":9440": f":{client}", ":9442": f":{internal}",
        ":9443": f":{controller}",
    }.items():  # fmt: skip
        assert there in text, there
        text = text.replace(there, here)
    properties.write_text(text, encoding="ascii")
    keyring = Keyring(tmp_path / "keys", jwks_file=tmp_path / "jwks/jwks.json", token_ttl_s=900, delay_s=0)
    keyring.ensure()
    broker = start(tmp_path, properties, (compose / ".env").read_text())
    try:
        settings = BrokerGroup(
            bootstrap_servers=f"127.0.0.1:{client}",
            security_protocol="SASL_SSL",
            ca_file=compose / "secrets/ca.pem",
        )
        own = client_config(settings, Tokens(keyring, issuer=URL, ttl_s=900))
        wait_until(lambda: topics(own) is not None, 90, f"the broker answers; {broker.tail()}")
        stranger = Tokens(Keyring(tmp_path / "k2", jwks_file=None, token_ttl_s=900, delay_s=0), issuer=URL, ttl_s=900)
        stranger._keyring.ensure()
        assert topics(client_config(settings, stranger)) is None, "a token of another registry"
        assert topics(client_config(settings, Tokens(keyring, issuer="https://other.example", ttl_s=900))) is None
        assert topics({**own, "security.protocol": "SASL_PLAINTEXT"}) is None, "nothing without TLS"
        plain = {name: own[name] for name in ("bootstrap.servers", "ssl.ca.location", "client.id", "log_level")}
        assert topics({**plain, "security.protocol": "SSL"}) is None, "nothing without a token"
    finally:
        broker.stop()


def start(directory: Path, properties: Path, env: str) -> Part:
    values = dict(line.split("=", 1) for line in env.splitlines())
    environ = {"PATH": os.environ["PATH"], **values}
    java = [
        find_java(), "-Xmx512m", "-cp", f"{find_jars(None)}/*",
        f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://{directory}/jwks/jwks.json",
    ]  # fmt: skip
    cluster = values["EXCHANGE_CLUSTER_ID"]
    format_ = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
    done = subprocess.run(format_, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    broker = Part(Text("broker", "broker"), directory / "pid", (directory / "kafka.out",), 30)
    broker.start([*java, "kafka.Kafka", str(properties)], environ, directory=directory)
    return broker


def topics(config: ClientConfig) -> int | None:
    """How many topics a client sees; None when it is not let in."""
    admin = AdminClient({**config, "log_level": 0})
    try:
        return len(admin.list_topics(timeout=5).topics)
    except KafkaException:
        return None


def certify(secrets: Path) -> None:
    """What docs/deploying.md asks of the operator: kafka.pem with key and chain, ca.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (secrets / "kafka.pem").write_bytes(private + pem)
    (secrets / "ca.pem").write_bytes(pem)
