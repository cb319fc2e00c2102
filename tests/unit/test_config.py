"""Bad configuration: one line that names file, key, expectation and an example; exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.config import load
from exchange.errors import ConfigError
from exchange.node.settings import NodeSettings, load_node
from exchange.settings import SystemSettings

ROOT = Path(__file__).parents[2]
GOOD = """
[identity]
client_id = "440000-mz-villages"
secret_file = "secret.txt"
[registry]
url = "http://127.0.0.1:8440"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("s3cret\n")
    path = tmp_path / "system.toml"
    path.write_text(GOOD)
    return path


def problem(path: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(SystemSettings, path, environ or {})
    line = caught.value.message("en")
    assert "\n" not in line
    assert str(path) in line
    assert "\n" not in caught.value.message("zh")
    assert caught.value.exit_code == 2
    return line


def test_a_secret_comes_from_the_file_beside_the_configuration(file: Path) -> None:
    settings = load(SystemSettings, file, {})
    assert settings.identity.secret.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_the_environment_is_over_the_file(file: Path) -> None:
    environ = {
        "EXCHANGE_REGISTRY_URL": "http://10.0.0.1:1",
        "EXCHANGE_REGISTRY_TIMEOUT_S": "2.5",
        "EXCHANGE_KAFKA_BOOTSTRAP_SERVERS": "10.0.0.1:2",
        "EXCHANGE_IDENTITY_SECRET": "other",
    }
    settings = load(SystemSettings, file, environ)
    assert settings.registry.url == "http://10.0.0.1:1"
    assert settings.registry.timeout_s == 2.5
    assert settings.kafka.bootstrap_servers == "10.0.0.1:2"
    assert settings.identity.secret.get_secret_value() == "other"


def test_the_environment_alone_is_enough() -> None:
    environ = {
        "EXCHANGE_IDENTITY_CLIENT_ID": "a",
        "EXCHANGE_IDENTITY_SECRET": "b",
        "EXCHANGE_REGISTRY_URL": "https://registry.example",
    }
    assert load(SystemSettings, None, environ).identity.client_id == "a"


def test_an_unknown_key_is_named_with_the_keys_that_exist(file: Path) -> None:
    file.write_text(GOOD + 'adress = "x"\n')
    line = problem(file)
    assert "registry.adress" in line
    assert "one of: ca_file, timeout_s, url" in line
    assert 'for example: url = "http://127.0.0.1:8440"' in line


def test_an_unknown_group_is_named(file: Path) -> None:
    file.write_text(GOOD + '[kafak]\nbootstrap_servers = "x"\n')
    assert "kafak" in problem(file)


def test_a_missing_secret_says_both_ways_to_give_it(file: Path) -> None:
    file.write_text(GOOD.replace('secret_file = "secret.txt"\n', ""))
    line = problem(file)
    assert "identity.secret" in line
    assert 'secret_file = "secret.txt" or EXCHANGE_IDENTITY_SECRET=...' in line


def test_a_secret_file_that_is_not_there_is_named(file: Path) -> None:
    (file.parent / "secret.txt").unlink()
    line = problem(file)
    assert "identity.secret_file" in line
    assert str(file.parent / "secret.txt") in line


def test_a_secret_in_the_file_itself_is_refused_and_not_repeated(file: Path) -> None:
    file.write_text(GOOD.replace('secret_file = "secret.txt"', 'secret = "hunter2"'))
    line = problem(file)
    assert "identity.secret" in line
    assert "hunter2" not in line


def test_a_wrong_type_is_named_with_what_was_found(file: Path) -> None:
    file.write_text(GOOD + 'timeout_s = "soon"\n')
    line = problem(file)
    assert "registry.timeout_s" in line
    assert "'soon'" in line
    assert "for example: timeout_s = 10.0" in line


def test_a_missing_group_is_named(file: Path) -> None:
    file.write_text('[registry]\nurl = "http://127.0.0.1:8440"\n')
    assert "identity" in problem(file)


@pytest.mark.parametrize("text", ["[identity", "\x00", '[identity]\nclient_id = "a"\nclient_id = "b"'])
def test_a_file_that_is_not_toml_is_named(file: Path, text: str) -> None:
    file.write_text(text)
    assert "TOML" in problem(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "no such file" in problem(tmp_path / "none.toml")


def test_a_node_takes_kafka_home_when_nothing_else_is_said(tmp_path: Path) -> None:
    assert load_node(None, {"KAFKA_HOME": "/opt/kafka"}).kafka.home == Path("/opt/kafka")
    both = {"KAFKA_HOME": "/opt/kafka", "EXCHANGE_KAFKA_HOME": "/opt/other"}
    assert load_node(None, both).kafka.home == Path("/opt/other")


def test_an_existing_cluster_means_no_embedded_broker() -> None:
    settings = load_node(None, {"EXCHANGE_KAFKA_BOOTSTRAP_SERVERS": "kafka-1:9092,kafka-2:9092"})
    assert not settings.embedded
    assert settings.bootstrap_servers == "kafka-1:9092,kafka-2:9092"


@pytest.mark.parametrize(
    "environ", [{"EXCHANGE_NODE_HOST": "0.0.0.0"}, {"EXCHANGE_NODE_DIVISION": "44"}, {"EXCHANGE_KAFKA_HEAP": "much"}]
)
def test_a_node_refuses_what_it_cannot_be(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(NodeSettings, None, environ)
    assert next(iter(environ)).split("_", 2)[2].lower() in str(caught.value)


@pytest.mark.parametrize(("lang", "word"), [("en", "expected"), ("zh", "应为")])
@pytest.mark.parametrize("command", ["up", "down", "status", "doctor"])
def test_the_command_line_ends_with_2_and_one_line(tmp_path: Path, command: str, lang: str, word: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text("[node]\nregistry_prot = 1\n")
    environ = {**os.environ, "EXCHANGE_LANG": lang, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "exchange.cli.main", command, "--config", str(path)]
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr
    assert "node.registry_prot" in done.stderr
    assert word in done.stderr
