"""The Schema Registry as a caller of the registry in this process sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.support.registry_world import Person

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


def record(*names: str, name: str = "Person", **more: Any) -> str:
    """An Avro record of strings; a name with ``?`` at its end may be left out."""
    fields: list[dict[str, Any]] = [
        {"name": one.removesuffix("?"), "type": ["null", "string"], "default": None}
        if one.endswith("?")
        else {"name": one, "type": "string"}
        for one in names
    ]
    return json.dumps({"type": "record", "name": name, "fields": fields, **more})


@dataclass(frozen=True)
class Schemas:
    """Calls under one person's token; ``ok`` returns the JSON of a success, ``refused`` the code of a refusal."""

    person: Person

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.person.token}"}
        if body is not None:
            headers["Content-Type"] = MEDIA_TYPE
        content = json.dumps(body) if body is not None else None
        return self.person.http.request(
            method, f"/schema-registry/{path}", content=content, params=params, headers=headers
        )

    def ok(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        answer = self.call(method, path, body, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        return self.ok("GET", path, **params)

    def refused(self, method: str, path: str, body: Any = None, **params: Any) -> int:
        answer = self.call(method, path, body, **params)
        told = answer.json()
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert set(told) == {"error_code", "message"}
        assert told["message"]
        code: int = told["error_code"]
        assert answer.status_code == (code if code < 1000 else code // 100), answer.text
        return code

    def register(self, subject: str, schema: str, **more: Any) -> int:
        path = f"subjects/{quote(subject, safe='')}/versions"
        schema_id: int = self.ok("POST", path, {"schema": schema, **more})["id"]
        return schema_id
