"""What is shipped to run a node: names, ports, paths and mounted files agree with each other and with the code.

No Docker engine runs where this is tested: the images are not built, the containers not started.
"""

from __future__ import annotations

import base64
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from exchange import errors
from exchange.cli.main import app
from exchange.config import load
from exchange.node.broker_properties import render
from exchange.node.layout import Layout
from exchange.node.settings import NodeSettings
from registry.settings import Settings
from tests.support.prometheus import amtool

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy/compose"
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
CONFIG: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = CONFIG["services"]
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/ after prepare.sh."""
    copy = tmp_path_factory.mktemp("deploy")
    for name in ("compose", "prometheus", "alertmanager", "grafana", "docker"):
        shutil.copytree(ROOT / "deploy" / name, copy / name, ignore=shutil.ignore_patterns("secrets", ".env"))
    prepare(copy)
    return copy


def prepare(copy: Path) -> str:
    words = [str(copy / "compose/prepare.sh"), "kafka.example", "https://registry.example"]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stderr


def properties() -> dict[str, str]:
    lines = (COMPOSE / "kafka/server.properties").read_text(encoding="ascii").splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {key: value for key, _, value in pairs}


def test_each_service_names_things_that_are_there(prepared: Path) -> None:
    made = {"./secrets/kafka.pem", "./secrets/ca.pem"}  # the operator's certificate
    assert set(SERVICES) == {"postgres", "registry", "kafka", "prometheus", "alertmanager", "grafana"}
    for name, service in SERVICES.items():
        assert re.fullmatch(r"exchange-bus|[\w./-]+:[\w.-]+", service["image"]), "every image has its version"
        assert service["network_mode"] == "host"
        assert "no-new-privileges:true" in service["security_opt"]
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert set(service.get("secrets", [])) <= set(CONFIG["secrets"]), name
        for mount in service.get("volumes", []):
            source, target, *_ = mount.split(":")
            if source.startswith("."):
                assert (prepared / "compose" / source).exists(), mount
                assert mount.endswith(":ro"), mount
            else:
                assert source in CONFIG["volumes"], mount
            assert target.startswith("/")
    for secret in CONFIG["secrets"].values():
        assert secret["file"] in made or (prepared / "compose" / secret["file"]).stat().st_size > 0
    used = {mount.split(":")[0] for service in SERVICES.values() for mount in service["volumes"]}
    assert set(CONFIG["volumes"]) <= used


def test_one_port_is_one_thing_everywhere() -> None:
    registry = tomllib.loads((COMPOSE / "registry/registry.toml").read_text(encoding="utf-8"))
    prometheus = (ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8")
    commands = {name: " ".join(map(str, service.get("command", []))) for name, service in SERVICES.items()}
    port = registry["registry"]["port"]
    assert port == NodeSettings().node.registry_port
    assert f"127.0.0.1:{port}/healthz" in SERVICES["registry"]["healthcheck"]["test"][-1]
    assert f'["127.0.0.1:{port}"]' in prometheus
    assert f"http://127.0.0.1:{port}/api/v1/prometheus/targets" in prometheus
    assert registry["metrics"]["monitors"][0] in prometheus
    assert "--web.listen-address=127.0.0.1:9093" in commands["alertmanager"]
    assert '["127.0.0.1:9093"]' in prometheus
    assert "--web.listen-address=127.0.0.1:9090" in commands["prometheus"]
    assert "http://127.0.0.1:9090" in (ROOT / "deploy/grafana/provisioning/datasources/exchange.yml").read_text()
    assert "port=5440" in commands["postgres"]
    assert "@127.0.0.1:5440/" in registry["database"]["url"]
    assert SERVICES["registry"]["environment"]["EXCHANGE_BROKER_BOOTSTRAP_SERVERS"].endswith(":9440")
    assert properties()["advertised.listeners"].startswith("CLIENT://${env:EXCHANGE_ADDRESS}:9440,")
    board = (ROOT / "deploy/grafana/provisioning/dashboards/exchange.yml").read_text(encoding="utf-8")
    assert any(mount.split(":")[1] in board for mount in SERVICES["grafana"]["volumes"])


def test_the_registrys_file_is_read_by_the_registry(prepared: Path, tmp_path: Path) -> None:
    text = (COMPOSE / "registry/registry.toml").read_text(encoding="utf-8")
    assert "/run/secrets/postgres.password" in text
    file = tmp_path / "registry.toml"
    file.write_text(text.replace("/run/secrets", str(prepared / "compose/secrets")), encoding="utf-8")
    settings = load(Settings, file, {"EXCHANGE_REGISTRY_ISSUER": "https://registry.example"})
    assert settings.database.password is not None
    assert len(settings.database.password.get_secret_value()) > 40
    jwks = str(settings.broker.jwks_file)
    assert f"file://{jwks}" in SERVICES["kafka"]["environment"]["KAFKA_OPTS"]
    assert f"file://{jwks}" in properties().values()
    mounts = {name: [m.split(":")[1] for m in SERVICES[name]["volumes"]] for name in ("registry", "kafka")}
    assert all(str(Path(jwks).parent) in mounts[name] for name in mounts)
    assert str(settings.registry.data_dir.parent) in mounts["registry"]


def test_the_broker_is_the_embedded_one_with_tls(tmp_path: Path) -> None:
    """A rule that the embedded broker gets and this one does not would be a hole: every difference is listed here."""
    lines = render(NodeSettings(), Layout(tmp_path), "secret").splitlines()
    embedded = {key: value for key, _, value in (line.partition("=") for line in lines)}
    shipped = properties()
    other_values = {
        "listeners", "advertised.listeners", "listener.security.protocol.map", "log.dirs",
        "listener.name.internal.plain.sasl.jaas.config", "listener.name.controller.plain.sasl.jaas.config",
        "listener.name.client.oauthbearer.sasl.oauthbearer.jwks.endpoint.url",
        "listener.name.client.oauthbearer.sasl.oauthbearer.expected.issuer",
    }  # fmt: skip
    only_here = {key for key in shipped if key.startswith(("config.providers", "listener.name.client.ssl."))}
    assert shipped.keys() - only_here == embedded.keys()
    assert {key for key in embedded if shipped[key] != embedded[key]} == other_values
    assert "CLIENT:SASL_SSL" in shipped["listener.security.protocol.map"]


def test_prepare_makes_secrets_that_are_private_and_stay(prepared: Path) -> None:
    folder = prepared / "compose/secrets"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {path.stat().st_mode & 0o77 for path in folder.iterdir()} == {0}
    said = prepare(prepared)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "kafka.pem" in said
    values = dict(line.split("=", 1) for line in (prepared / "compose/.env").read_text().splitlines())
    assert set(values) == {"EXCHANGE_ADDRESS", "EXCHANGE_URL", "EXCHANGE_CLUSTER_ID"}
    cluster = values["EXCHANGE_CLUSTER_ID"]
    assert len(base64.urlsafe_b64decode(cluster + "==")) == 16
    assert not cluster.startswith("-")
    wanted = set(re.findall(r"\$\{(EXCHANGE_\w+)", (COMPOSE / "compose.yml").read_text(encoding="utf-8")))
    assert wanted - set(values) == {"EXCHANGE_KAFKA_HEAP"}, "the only one with a default"


def test_the_image_has_all_that_it_runs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {word.removesuffix("*") for word in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {word for line in copied for word in line.split()}
    assert packages <= sources
    assert all((ROOT / source).exists() for source in sources)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources <= let_in
    extras = re.search(r"'\.\[(.+)\]'", DOCKERFILE)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(project["project"]["optional-dependencies"])
    assert SERVICES["registry"]["user"] == "10440:10440"
    assert "--uid 10440" in DOCKERFILE
    postgres = SERVICES["postgres"]["image"].partition(":")[2]
    assert f"postgresql-client-{postgres} " in DOCKERFILE, "pg_dump must not be older than the server"
    kafka = re.search(r"<kafka.version>([\d.]+)<", (ROOT / "deploy/kafka/pom.xml").read_text())
    assert kafka is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka[1]}"


def unit(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    venv = tmp_path / "venv"  # a unit's words are parted by spaces, which this checkout's path may have
    venv.symlink_to(ROOT / ".venv")
    for path in (ROOT / "deploy/systemd").iterdir():
        text = path.read_text(encoding="utf-8").replace("/opt/exchange/.venv/bin/", f"{venv}/bin/")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    names = [path.name.replace("@.", "@villages.") for path in (ROOT / "deploy/systemd").iterdir()]
    verify = ["systemd-analyze", "verify", "--man=no", *names]
    done = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for path in UNITS:
        judge = ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=15", path.name]
        done = subprocess.run(judge, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{path.name} is exposed: {done.stdout.splitlines()[-1]}"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_commands_that_there_are(path: Path) -> None:
    told = unit(path)
    for line in [*told["ExecStart"], *told.get("ExecStop", [])]:
        program, *words = shlex.split(line)
        name = program.removeprefix("/opt/exchange/.venv/bin/")
        if name == "python":
            assert words[:3] == ["-m", "registry", "serve"]
            continue
        assert name == "exchange"
        command: Any = typer.main.get_command(app)
        while words and not words[0].startswith(("-", "/")):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_what_needs_a_person_is_not_tried_again() -> None:
    kinds = (errors.ConfigError, errors.LoginFailed, errors.Refused, errors.TooManyRejects, errors.Fenced)
    told = unit(ROOT / "deploy/systemd/exchange-adapter@.service")
    assert told["RestartPreventExitStatus"] == [" ".join(str(code) for code in sorted(k.exit_code for k in kinds))]


def test_alertmanager_tells_whom_it_should() -> None:
    file = ROOT / "deploy/alertmanager/alertmanager.yml"
    checked = amtool("check-config", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    groups = yaml.safe_load((ROOT / "deploy/prometheus/rules/alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = {rule["alert"]: rule["labels"]["severity"] for group in groups for rule in group["rules"]}
    told = set(
        re.findall(r"Exchange\w+", re.sub(r"Exchange\(([\w|]+)\)", _spelt_out, file.read_text(encoding="utf-8")))
    )
    assert told <= set(rules), "each name in a matcher is an alert's"
    for name, severity in rules.items():
        words = ("config", "routes", "test", f"--config.file={file}", f"alertname={name}", f"severity={severity}")
        wanted = "duty" if severity == "critical" else None
        receiver = amtool(*words).stdout.strip()
        assert receiver in {"duty", "operators", "administrators"}
        assert wanted in (None, receiver), name


def _spelt_out(match: re.Match[str]) -> str:
    return " ".join(f"Exchange{name}" for name in match[1].split("|"))
