"""How many schemas a second the registry hands out, and takes in, over HTTP."""

from __future__ import annotations

import itertools
import json

from tests.bench.book import Bench, rounds
from tests.bench.lone_registry import LoneRegistry, lone_registry, rate, request

SCHEMAS = 200
BASE = "/schema-registry"
KIND = "application/vnd.schemaregistry.v1+json"


def run(bench: Bench) -> None:
    """Read by id and by subject; register under new subjects, and further versions of one."""
    with lone_registry() as registry:
        load = Load(registry)
        by_id, latest, new, further = rounds(load.by_id, load.latest, load.new_subjects, load.further_versions)
    bench.add("schemas.read_by_id", by_id, "answers/s")
    bench.add("schemas.read_latest", latest, "answers/s")
    bench.add("schemas.write", new, "schemas/s")
    bench.add("schemas.write_versions", further, "schemas/s")


class Load:
    """One administrator's token, and schemas of twenty fields."""

    def __init__(self, registry: LoneRegistry) -> None:
        self._port = registry.port
        self._token = registry.first_user("admin")
        self._numbers = itertools.count(1)
        self._subjects = [f"read-{number}" for number in range(SCHEMAS)]
        self._ids = [
            registry.call("POST", f"{BASE}/subjects/{name}/versions", self._token, {"schema": schema(name)})["id"]
            for name in self._subjects
        ]
        registry.call("PUT", f"{BASE}/config/grown", self._token, {"compatibility": "BACKWARD"})

    def by_id(self) -> float:
        """Read schemas by id, in turns."""
        return self._reading([f"{BASE}/schemas/ids/{schema_id}" for schema_id in self._ids])

    def latest(self) -> float:
        """Read the latest versions of subjects, in turns."""
        return self._reading([f"{BASE}/subjects/{name}/versions/latest" for name in self._subjects])

    def new_subjects(self) -> float:
        """Register schemas, each under a subject of its own."""
        return rate(self._port, lambda: self._written(f"new-{(number := next(self._numbers))}", f"n{number}"))

    def further_versions(self) -> float:
        """Register compatible versions of one subject."""
        return rate(self._port, lambda: self._written("grown", "grown", next(self._numbers)))

    def _reading(self, paths: list[str]) -> float:
        turns = itertools.cycle([request("GET", path, self._token) for path in paths])
        return rate(self._port, lambda: next(turns))

    def _written(self, subject: str, name: str, doc: int = 0) -> bytes:
        body = json.dumps({"schema": schema(name, doc)}).encode()
        return request("POST", f"{BASE}/subjects/{subject}/versions", self._token, body, KIND)


def schema(name: str, doc: int = 0) -> str:
    """A record of twenty optional fields."""
    fields = [{"name": f"item_{n}", "type": ["null", "string"], "default": None} for n in range(20)]
    return json.dumps({"type": "record", "name": "R" + name.replace("-", "_"), "doc": str(doc), "fields": fields})
