"""A system that posts, behind a mapping and rules: it is told what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from exchange.node.ports import free_ports
from tests.integration.adapters.places import Place, World
from tests.integration.adapters.runs import background, topic_rows
from tests.integration.adapters.test_mapped_sources import mapped
from tests.support.wait import wait_until


class Pushed(Place):
    def __init__(self, directory: Path) -> None:
        self.port = free_ports(1)[0]
        self.token = directory / "push.secret"
        self.token.write_text("correct horse battery staple", encoding="utf-8")
        self.ledger = directory / "push.ledger"

    def part(self) -> dict[str, Any]:
        return {"kind": "http_push", "port": self.port, "token_file": str(self.token), "ledger": str(self.ledger)}

    def put(self, batch: str, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token.read_text(encoding='utf-8')}"}
        return httpx.put(f"http://127.0.0.1:{self.port}/batches/{batch}", json=body, headers=headers, timeout=30)

    def answers(self) -> bool:
        try:
            return self.put("ping", []).status_code == 200
        except httpx.TransportError:
            return False


def test_a_system_that_posts_is_told_what_the_rules_refuse(world: World, tmp_path: Path) -> None:
    pushed = Pushed(tmp_path)
    with background(mapped(world, pushed)) as engine:
        wait_until(pushed.answers, 30, "the endpoint")
        bad = {"id": "c3", "name": "王", "born": None, "amount": 1}
        refused = pushed.put("1", [bad])
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["rule"] == "length"
        body = {"records": [{"id": " a1", "name": "张三", "born": "20010203", "amount": 1}]}
        good = pushed.put("2", body)
        assert good.status_code == 200, good.text
        gone = pushed.put("3", {"records": [], "deleted": ["a1 "]})
        assert gone.status_code == 200, gone.text
        engine.run.config.state.ask_refresh()
        again = pushed.put("2", body)
        assert (again.status_code, again.json()) == (200, good.json()), "a refresh must not forget which batches came"
        assert engine.summary.quality == {"name/length/reject": 1}
    assert topic_rows(world, 2, "reader") == {"A1": None}
