"""Systems that speak HTTP as destinations, behind the face of the conformance suite: one is told, one asks."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fastavro
import httpx
from sqlalchemy import Engine, NullPool, create_engine, text

from exchange.node.ports import free_ports
from tests.integration.adapters.places import Place, Target
from tests.support.http_places import Answer, HttpPlace, Said

SECRET = "shared key of the hook"
PULL_SECRET = "another correct horse"
READ_EVERY_S = 0.05

Record = dict[str, Any] | None


class Hook(Target):
    """A receiver that applies what it accepts, and drops a delivery that it knows."""

    def __init__(self, directory: Path, most_records: int = 10) -> None:
        self.server = self.cluster = HttpPlace(self.take)
        self.secret = directory / "hook.secret"
        self.secret.write_text(SECRET, encoding="utf-8")
        self.outbox = directory / "hook.outbox"
        self.engine = _engine(self.outbox)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.deliveries: dict[str, bytes] = {}
        self.records: dict[str, Record] = {}
        self.log: list[tuple[str, str]] = []
        self._most = most_records

    def part(self) -> dict[str, Any]:
        return {
            "kind": "webhook", "url": f"{self.server.url}/hook", "secret_file": str(self.secret),
            "outbox": str(self.outbox), "most_records": self._most, "timeout_s": 5.0,
        }  # fmt: skip

    def take(self, said: Said) -> Answer:
        signed = said.headers["X-Exchange-Timestamp"].encode() + b"." + said.body
        expected = "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(said.headers["X-Exchange-Signature"], expected)
        if self.status != 200:
            return Answer(self.status, b"", self.headers)
        body = json.loads(said.body)
        assert said.headers["X-Exchange-Delivery"] == body["delivery"]
        known = self.deliveries.setdefault(body["delivery"], said.body)
        assert known == said.body, "the same id has the same bytes"
        for record in body["records"]:
            self.records[record["key"]] = record["row"]
            self.log.append((body["delivery"], record["key"]))
        return Answer(204)

    def rows(self, columns: str = "name, born, amount") -> dict[str, tuple[str | None, ...]]:
        """What it was told, as text; what is deleted is left out."""
        return as_text(self.records, columns)

    def close(self) -> None:
        self.server.close()


class Grant(Place):
    """A client of the endpoint that an adapter opens."""

    def __init__(self, directory: Path, **more: Any) -> None:
        self.port = free_ports(1)[0]
        self.secret = directory / "pull.secret"
        self.secret.write_text(PULL_SECRET, encoding="utf-8")
        self.spool = directory / "pull.spool"
        self.more = more
        headers = {"Authorization": f"Bearer {PULL_SECRET}"}
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)

    def part(self) -> dict[str, Any]:
        keys = {"kind": "http_pull", "port": self.port, "token_file": str(self.secret), "spool": str(self.spool)}
        return {**keys, **self.more}

    def get(self, cursor: str | None = None, **params: Any) -> tuple[list[dict[str, Any]], str]:
        """A page and its cursor."""
        answer = self.client.get("/records", params={**params, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()], answer.headers["X-Exchange-Cursor"]

    def all(self, limit: int = 10) -> list[dict[str, Any]]:
        """Page by page to the end, acknowledging each page with the next request."""
        found, cursor = self.get(limit=limit)
        while True:
            page, cursor = self.get(cursor, limit=limit)
            if not page:
                return found
            found += page

    def close(self) -> None:
        self.client.close()


class PullTarget(Grant, Target):
    """A system that asks for what is new without a rest, and acknowledges what it has."""

    listens = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.engine = _engine(self.spool)
        self._records: dict[str, Record] = {}
        self._cursor: str | None = None
        self._asking = threading.Lock()
        self._end = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def rows(self, columns: str = "name, born, amount") -> dict[str, tuple[str | None, ...]]:
        """What it has and what waits for it, as text; what is deleted is left out."""
        with self._asking:
            return as_text({**self._records, **dict(self._waiting())}, columns)

    def close(self) -> None:
        self._end.set()
        self._reader.join()
        super().close()

    def _read(self) -> None:
        while not self._end.wait(READ_EVERY_S):
            with self._asking:
                try:
                    page, self._cursor = self.get(self._cursor, limit=10_000)
                except httpx.TransportError:  # no adapter runs
                    continue
                self._records.update({record["key"]: record["row"] for record in page})

    def _waiting(self) -> Iterator[tuple[str, Record]]:
        if not self.spool.exists():
            return
        with self.engine.connect() as connection:
            schemas = connection.execute(text("SELECT id, body FROM exchange_waiting_schema"))
            known = {number: fastavro.parse_schema(json.loads(body)["schema"]) for number, body in schemas}
            waiting = 'SELECT "schema", "key", datum FROM exchange_waiting_record ORDER BY seq'
            for schema, key, datum in connection.execute(text(waiting)):
                row: Any = None if datum is None else fastavro.schemaless_reader(io.BytesIO(datum), known[schema], None)
                yield key.decode(), row


def as_text(records: Mapping[str, Record], columns: str) -> dict[str, tuple[str | None, ...]]:
    """Rows as the other destinations give them."""
    names = columns.split(", ")
    there = {key: row for key, row in records.items() if row is not None}
    return {
        key: tuple(None if row.get(name) is None else str(row[name]) for name in names) for key, row in there.items()
    }


def _engine(path: Path) -> Engine:
    return create_engine(f"sqlite:///{path}", poolclass=NullPool)
