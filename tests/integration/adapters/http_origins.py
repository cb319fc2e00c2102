"""Systems that speak HTTP as sources, behind the face of the conformance suite: one is asked, one posts."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from adapters.summary import Summary
from exchange.node.ports import free_ports
from tests.integration.adapters.places import EXTRA, Origin, People
from tests.integration.adapters.runs import Background, background
from tests.support.http_places import Answer, HttpPlace, Said, as_json
from tests.support.wait import wait_until

SECRET = "the secret of the API"
POSTED_AT_ONCE = 5000


class ApiOrigin(Origin):
    """An API of numbered pages, that never gives as many as it is asked for."""

    def __init__(self, directory: Path) -> None:
        self.server = self.cluster = HttpPlace(self.page)
        self.secret = directory / "api.secret"
        self.secret.write_text(SECRET, encoding="utf-8")
        self.records: list[dict[str, Any]] = []

    def part(self) -> Mapping[str, Any]:
        return {
            "kind": "http_pull", "url": f"{self.server.url}/people", "token_file": str(self.secret), "paging": "page",
            "records": "data.list", "total_path": "data.total", "size_param": "size", "page_size": 2000,
        }  # fmt: skip

    def put(self, people: People, phones: Mapping[str, str] | None = None) -> None:
        self.records = [{**record, "internal": 1} for record in records_of(people, phones)]

    def page(self, said: Said) -> Answer:
        if said.headers.get("Authorization") != f"Bearer {SECRET}":
            return Answer(401)
        size = int(said.params["size"]) // 2
        begin = (int(said.params["page"]) - 1) * size
        found = self.records[begin : begin + size]
        answer = as_json({"data": {"list": found, "total": len(self.records)}})
        return Answer(200, gzip.compress(answer.body, 1), {**answer.headers, "Content-Encoding": "gzip"})

    def close(self) -> None:
        self.server.close()


class PushOrigin(Origin):
    """A system that posts what differs from what it posted before, again and again until it is answered."""

    follows = True
    bad_lines = (1, 2)  # where they stand in their batch

    def __init__(self, directory: Path) -> None:
        self.port = free_ports(1)[0]
        self.ledger = directory / "push.ledger"
        self.secret = directory / "push.secret"
        self.secret.write_text(SECRET, encoding="utf-8")
        headers = {"Authorization": f"Bearer {SECRET}"}
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)
        self._there: dict[str, dict[str, Any]] = {}
        self._wanted: dict[str, dict[str, Any]] = {}
        self._batches = 0

    def part(self) -> dict[str, Any]:
        return {"kind": "http_push", "port": self.port, "token_file": str(self.secret), "ledger": str(self.ledger)}

    def put(self, people: People, phones: Mapping[str, str] | None = None) -> None:
        self._wanted = {record["id"]: record for record in records_of(people, phones)}

    def once(self, file: Path, *, allow_deletes: bool = False) -> Summary:
        with background(file, allow_deletes=allow_deletes) as engine:
            self.post(engine)
        if engine.error is not None:
            raise engine.error
        return engine.summary

    def post(self, engine: Background) -> None:
        """Post what differs; return when all of it was answered, or the adapter has ended."""
        wait_until(lambda: self.answers() or engine.ended(), 30, "the endpoint")
        changed = [record for key, record in self._wanted.items() if self._there.get(key) != record]
        starts = range(0, len(changed), POSTED_AT_ONCE)
        bodies: list[dict[str, Any]] = [{"records": changed[at : at + POSTED_AT_ONCE]} for at in starts]
        gone = [key for key in self._there if key not in self._wanted]
        bodies += [{"deleted": gone}] if gone else []
        for body in bodies:
            self._batches += 1
            wait_until(lambda body=body: self._taken(body) or engine.ended(), 30, "an answer")  # type: ignore[misc]
        self._there = dict(self._wanted)

    def answers(self) -> bool:
        """Whether an engine takes posts."""
        return self._put("ping", {"records": []})

    def close(self) -> None:
        self.client.close()

    def _taken(self, body: dict[str, Any]) -> bool:
        return self._put(str(self._batches), body)

    def _put(self, batch: str, body: dict[str, Any]) -> bool:
        try:
            status = self.client.put(f"/batches/{batch}", params={"partial": "true"}, json=body).status_code
        except httpx.TransportError:
            return False
        assert status in (200, 409, 503), status
        return status == httpx.codes.OK


def records_of(people: People, phones: Mapping[str, str] | None) -> Sequence[dict[str, Any]]:
    """People as JSON objects."""
    return [
        {"id": key, "name": name, "born": born, "amount": amount} | ({} if phones is None else {EXTRA: phones.get(key)})
        for key, (name, born, amount) in people.items()
    ]
