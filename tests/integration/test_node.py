"""The node as its operator meets it: it starts, says what is wrong, and lets nobody in without a login."""

from __future__ import annotations

import os
import signal
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from exchange.node import processes, service
from exchange.node.doctor import examine
from exchange.node.errors import PartDied, PortTaken
from exchange.node.kafka import broker_part, prepare_broker
from exchange.node.layout import FIRST_USERS, Layout
from exchange.node.ports import broker_ports
from exchange.node.registry import registry_part
from exchange.node.settings import NodeSettings
from exchange.text import Text
from registry.access.keys import Keyring
from tests.support import tokens
from tests.support.kafka_wire import API_VERSIONS, METADATA, all_topics_request, exchange_raw
from tests.support.node import RunningNode, node_settings, running_node
from tests.support.wait import wait_until


def test_a_second_up_says_that_the_node_runs(node: RunningNode) -> None:
    before = [part.pid for part in service.status(node.settings)]
    said: list[Text] = []
    address = service.up(node.settings, report=said.append)
    assert "runs already" in said[0].en
    assert address.registry_url == node.registry_url
    assert [part.pid for part in service.status(node.settings)] == before


def test_the_doctor_finds_nothing_wrong_with_a_node_that_runs(node: RunningNode) -> None:
    assert [(check.name.en, check.found.en) for check in examine(node.settings) if not check.ok] == []


@pytest.mark.parametrize("listener", [0, 1, 2], ids=["client", "internal", "controller"])
def test_no_listener_accepts_a_client_without_sasl(node: RunningNode, listener: int) -> None:
    port = broker_ports(node.settings)[listener].number
    assert exchange_raw(port, API_VERSIONS), "the listener speaks Kafka"
    assert exchange_raw(port, METADATA, all_topics_request()) == b""


FORGED: dict[str, Callable[[RunningNode], str]] = {
    "expired": lambda node: tokens.signed(node, iat=1_000_000_000, exp=1_000_003_600),
    "other audience": lambda node: tokens.signed(node, aud="exchange-registry"),
    "other issuer": lambda node: tokens.signed(node, iss="http://127.0.0.1:1"),
    "foreign key": tokens.signed_by_a_stranger,
    "alg none": tokens.unsigned,
    "HS256 with the public key": tokens.signed_with_the_public_key,
    "not a token": lambda _: "a.b.c",
}


def test_the_broker_lets_in_who_has_a_token_of_the_registry(node: RunningNode) -> None:
    assert tokens.login(node, tokens.signed(node)) is None


def test_the_broker_learns_a_rotated_key_without_a_restart(node: RunningNode) -> None:
    old = tokens.signed(node)
    keyring = Keyring(node.layout.registry / "keys", jwks_file=node.layout.jwks, token_ttl_s=900, delay_s=0)
    kid = keyring.rotate()
    fresh = tokens.signed(node)
    assert jwt.get_unverified_header(fresh)["kid"] == kid
    wait_until(lambda: tokens.login(node, fresh) is None, 30, "the broker knows the new key")
    assert tokens.login(node, old) is None


@pytest.mark.parametrize("kind", FORGED)
def test_the_broker_refuses_a_forged_token(node: RunningNode, kind: str) -> None:
    assert tokens.login(node, FORGED[kind](node)) is not None


@pytest.mark.parametrize("listener", [1, 2], ids=["internal", "controller"])
def test_the_brokers_own_listeners_refuse_a_wrong_password(node: RunningNode, listener: int) -> None:
    port = broker_ports(node.settings)[listener].number
    password = (node.layout.secrets / "broker.password").read_text().encode()
    assert _plain_login(port, password) == 0
    assert _plain_login(port, b"wrong") == 58  # SASL_AUTHENTICATION_FAILED


def test_secrets_are_private_and_appear_nowhere_else(node: RunningNode) -> None:
    private = [*node.layout.secrets.iterdir(), *map(node.layout.first_password, FIRST_USERS), *_keys(node)]
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in private} == {
        path.name: "0o600" for path in private
    }
    assert stat.S_IMODE(node.layout.secrets.stat().st_mode) == 0o700
    words = [
        (node.layout.secrets / "broker.password").read_text(),
        *node.passwords.values(),
        _secret_lines(_keys(node)[0]),
    ]
    for log in node.layout.logs.iterdir():
        text = log.read_text(errors="replace")
        assert not [word for word in words if word in text], log.name
    for part in service.status(node.settings):
        command = Path(f"/proc/{part.pid}/cmdline").read_text()
        assert not [word for word in words if word in command], part.name.en


@pytest.mark.long
def test_a_killed_broker_is_reported_and_the_node_comes_back_whole(tmp_path: Path) -> None:
    with running_node(tmp_path / "数据 of a node") as own:
        cluster = (own.layout.kafka / "meta.properties").read_text()
        broker = broker_part(own.layout)
        pid = broker.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: broker.state() == "died", 10, "the broker's death is noticed")

        died = {part.name.en: part for part in service.status(own.settings)}["The broker"]
        log = (own.layout.logs / "kafka.log").read_text().splitlines()
        assert died.state == "died"
        assert log[-1][:100] in died.detail
        assert [check.name.en for check in examine(own.settings) if not check.ok][-1] == "Broker, with SASL"

        service.up(own.settings)
        assert {part.state for part in service.status(own.settings)} == {"running"}
        assert (own.layout.kafka / "meta.properties").read_text() == cluster
        assert tokens.login(own, tokens.signed(own)) is None

        pids = [part.pid for part in service.status(own.settings) if part.pid]
        service.down(own.settings)
        assert {part.state for part in service.status(own.settings)} == {"stopped"}
        assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
        assert all(port.free() for port in broker_ports(own.settings))


@pytest.mark.long
def test_a_broker_that_cannot_start_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = node_settings(tmp_path / "var", heap="1m")
    layout = _formatted(settings)
    with pytest.raises(PartDied) as caught:
        service.up(settings)
    assert "heap" in caught.value.message("en").lower()
    assert (broker_part(layout).state(), registry_part(layout).state()) == ("stopped", "stopped")


def test_an_occupied_port_is_named_with_the_setting_that_moves_it(tmp_path: Path) -> None:
    settings = node_settings(tmp_path / "var")
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.node.internal_port))
        other.listen()
        with pytest.raises(PortTaken) as caught:
            service.up(settings)
    assert str(settings.node.internal_port) in caught.value.message("en")
    assert "EXCHANGE_NODE_INTERNAL_PORT" in caught.value.next_step("zh")
    assert {part.state for part in service.status(settings)} == {"stopped"}


def test_a_pid_that_belongs_to_a_stranger_by_now_is_left_alone(tmp_path: Path) -> None:
    stranger = processes.spawn(["/bin/sleep", "60"], env={}, directory=tmp_path, log=tmp_path / "log")
    try:
        settings = node_settings(tmp_path / "var")
        layout = Layout.of(settings.node.data_dir)
        layout.prepare()
        processes.remember(layout.run / "kafka.pid", processes.Process(stranger.pid, stranger.started - 1))
        assert broker_part(layout).state() == "died"
        service.down(settings)
        assert processes.alive(stranger)
    finally:
        assert processes.stop(stranger, 5)


def _formatted(settings: NodeSettings) -> Layout:
    """Format with the usual heap, so that the broker itself is what fails."""
    layout = Layout.of(settings.node.data_dir)
    layout.prepare()
    usual = settings.kafka.model_copy(update={"heap": "256m"})
    prepare_broker(settings.model_copy(update={"kafka": usual}), layout)
    return layout


def _keys(node: RunningNode) -> list[Path]:
    return sorted((node.layout.registry / "keys").glob("*.pem"))


def _secret_lines(key: Path) -> str:
    return key.read_text().splitlines()[2]


def _plain_login(port: int, password: bytes) -> int:
    """Log in with SASL PLAIN, as the broker does to itself; return Kafka's error code, 0 for success."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(10)
        assert _ask(connection, 17, _text(b"PLAIN"))[:2] == b"\0\0"
        message = b"\0broker\0" + password
        answer = _ask(connection, 36, struct.pack(">i", len(message)) + message, version=0)
        code: int = struct.unpack(">h", answer[:2])[0]
        return code


def _ask(connection: socket.socket, api_key: int, body: bytes, version: int = 1) -> bytes:
    request = struct.pack(">hhih", api_key, version, 7, 3) + b"raw" + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    size = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))[0]
    return connection.recv(size, socket.MSG_WAITALL)[4:]


def _text(words: bytes) -> bytes:
    return struct.pack(">h", len(words)) + words


@pytest.mark.long
def test_an_existing_cluster_is_used_and_not_started(tmp_path: Path) -> None:
    with running_node(tmp_path / "var") as own:
        registry_part(own.layout).stop()
        cluster = own.settings.kafka.model_copy(update={"bootstrap_servers": own.bootstrap_servers})
        settings = own.settings.model_copy(update={"kafka": cluster})
        before = broker_part(own.layout).pid()
        address = service.up(settings)
        assert address.bootstrap_servers == own.bootstrap_servers
        assert [(part.name.en, part.detail) for part in service.status(settings)] == [("The registry", "")]
        assert [row for row in examine(settings) if not row.ok] == []
        assert broker_part(own.layout).pid() == before


def test_a_parked_fetch_does_not_outlive_a_minute(node: RunningNode) -> None:
    """The fence does not fill a fetch with a huge fetch.min.bytes: the broker must cut it off."""
    properties = (node.layout.secrets / "server.properties").read_text(encoding="ascii")
    assert "connections.max.idle.ms=60000\n" in properties
