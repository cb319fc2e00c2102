"""What is shipped for Prometheus and Grafana: sound rules, a page for each alert, boards that are the code's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from exchange.metric_names import DECLARED
from tests.support.prometheus import promtool

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules"
KAFKA = ROOT / "deploy/kafka/metrics.yml"
HAN = re.compile(r"[\u4e00-\u9fff]")
BOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def board(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_promtool_finds_no_fault(tmp_path: Path) -> None:
    checked = promtool("check", "rules", *sorted(RULES.glob("*.yml")))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", *sorted((ROOT / "deploy/prometheus/tests").glob("*.yml")))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert config["rule_files"] == ["rules/*.yml"]
    secret = tmp_path / "secret"
    secret.write_text("s", encoding="utf-8")
    (adapters,) = [job for job in config["scrape_configs"] if job["job_name"] == "exchange-adapter"]
    adapters["http_sd_configs"][0]["oauth2"]["client_secret_file"] = str(secret)
    config["rule_files"] = [str(RULES / "*.yml")]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    checked = promtool("check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_has_its_page_its_test_and_both_languages() -> None:
    tests = (ROOT / "deploy/prometheus/tests/alerts.yml").read_text(encoding="utf-8")
    pages = {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")}
    assert pages == {alert["alert"] for alert in alerts()}
    for alert in alerts():
        notes = alert["annotations"]
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert notes["runbook"] == f"docs/runbooks/{alert['alert']}.md"
        assert notes["summary"] != notes["summary_zh"]
        assert alert["expr"] in (ROOT / notes["runbook"]).read_text(encoding="utf-8"), "the page says when it fires"
        assert f"alertname: {alert['alert']}\n" in tests, alert["alert"]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_a_runbook_says_cause_check_and_fix_in_both_languages(alert: dict[str, Any]) -> None:
    text = (ROOT / alert["annotations"]["runbook"]).read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    assert parts[0].startswith(f"# {alert['alert']}\n")
    lasted = f" for {alert['for']} (" if "for" in alert else ", at once ("
    assert f"`{alert['expr']}`{lasted}{alert['labels']['severity']})." in parts[0]
    assert parts[1::2] == ["Cause · 原因", "Check · 排查", "Fix · 处理"]
    english, chinese = parts[2].strip().split("\n\n")
    steps = [line.split("\n  ") for part in parts[4::2] for line in part.strip().removeprefix("- ").split("\n- ")]
    for en, zh in [(english, chinese), *steps]:
        assert not HAN.search(en), en
        assert HAN.search(zh), zh
        assert commands(en) <= commands(zh), "the same commands in both"


def commands(text: str) -> set[str]:
    return set(text.split("`")[1::2])


def test_the_dashboards_are_what_the_code_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "deploy/grafana/boards.py"), str(tmp_path)], check=True, timeout=60)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.json")}
    assert made == {path.name: path.read_text(encoding="utf-8") for path in BOARDS}


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_sound(path: Path) -> None:
    found = board(path)
    variables = [variable["name"] for variable in found["templating"]["list"]]
    assert variables[0] == "datasource"
    assert "node" in variables
    panels = found["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert max(x for x, _ in cells) < 24
    for panel in panels:
        assert panel["description"].isascii(), "English"
        assert not panel["title"].isascii(), "Chinese"
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            used = {word for word in target["expr"].replace("$", " $").split(" ") if word.startswith("$")}
            names = {word.strip('$"{}[]()~=,') for word in used} - {"__rate_interval", "__range"}
            assert {name.split('"')[0] for name in names} <= set(variables), target["expr"]


def test_the_rules_and_boards_ask_for_metrics_that_there_are() -> None:
    texts = [alert["expr"] for alert in alerts()]
    texts += [t["expr"] for path in BOARDS for panel in board(path)["panels"] for t in panel["targets"]]
    recorded = {
        rule["record"]
        for group in yaml.safe_load((RULES / "recording.yml").read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    }
    parts = ("_bucket", "_count", "_sum")
    brokers = {rule["name"] for rule in yaml.safe_load(KAFKA.read_text(encoding="utf-8"))["rules"]}
    known = (
        set(DECLARED)
        | brokers
        | {name + part for name, m in DECLARED.items() if m.kind == "histogram" for part in parts}
    )
    for text in texts:
        for name in recorded:
            text = text.replace(name, "")  # noqa: PLW2901 - what is left names metrics
        found = {word for word in _words(text) if word.startswith(("exchange_", "kafka_"))}
        assert found <= known, text


def _words(text: str) -> set[str]:
    return set("".join(sign if sign.isalnum() or sign == "_" else " " for sign in text).split())
