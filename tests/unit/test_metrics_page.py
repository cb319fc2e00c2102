"""docs/metrics.md says what the code counts, no more and no less."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import yaml

from exchange.metric_names import DECLARED, OF_ADAPTER, OF_REGISTRY
from exchange.prometheus import PrometheusMetrics

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(exchange_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)

BROKER = r"^\| `(kafka_\w+)` \| (\w+) \| ([^|]*) \|"


def test_the_page_and_the_code_say_the_same() -> None:
    rows = ROW.findall((ROOT / "docs/metrics.md").read_text(encoding="utf-8"))
    page = {name: (kind, labels, en, zh) for name, kind, labels, en, zh in rows}
    assert len(page) == len(rows), "a metric stands there twice"
    assert page == {name: (m.kind, ", ".join(m.labels) or "–", m.help.en, m.help.zh) for name, m in DECLARED.items()}


def test_the_page_and_the_rules_of_the_brokers_agent_say_the_same() -> None:
    rules = yaml.safe_load((ROOT / "deploy/kafka/metrics.yml").read_text(encoding="utf-8"))["rules"]
    given: dict[str, tuple[str, str]] = {}
    for rule in rules:
        said = (rule["type"].lower(), ", ".join(rule.get("labels", {})) or "–")
        assert given.setdefault(rule["name"], said) == said, rule["name"]
        assert rule["name"].endswith("_total") == (rule["type"] == "COUNTER")
    rows = re.findall(BROKER, (ROOT / "docs/metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: (kind, labels) for name, kind, labels in rows} == given
    assert len(rows) == len(given)


def test_each_metric_is_counted_by_the_process_that_shows_it_and_none_is_unknown() -> None:
    assert used_in("exchange", "adapters") == set(OF_ADAPTER)
    assert used_in("exchange", "registry") >= set(OF_REGISTRY)
    assert used_in("registry") <= set(OF_REGISTRY)


def test_an_adapter_shows_nothing_of_the_registry() -> None:
    """Gauges without labels are 0 before they are set: the broker would be down in every adapter."""
    text = PrometheusMetrics(OF_ADAPTER).text().decode()
    assert "exchange_broker_up" not in text
    assert re.findall(r"^exchange_.*", text, re.MULTILINE) == [], "nothing before it was counted"


def used_in(*rooms: str) -> set[str]:
    used: set[str] = set()
    for top in rooms:
        for path in (ROOT / top).rglob("*.py"):
            if path.name in {"metric_names.py", "outlook.py"}:
                continue  # they declare and read, and count nothing
            tree = ast.parse(path.read_text(encoding="utf-8"))
            used |= {
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"exchange_\w+_?\w*", node.value)
                and node.value in DECLARED
            }
    return used


def test_names_end_with_their_unit() -> None:
    for name, metric in DECLARED.items():
        assert name.endswith("_total") == (metric.kind == "counter"), name
        assert metric.kind != "histogram" or name.endswith("_seconds"), name
        assert metric.help.en != metric.help.zh, name
