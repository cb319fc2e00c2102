"""The admin API's calls about resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exchange.admin.base import PAGE, Calls, Json
from exchange.contract import slug
from exchange.items import Item
from schemas.library import Library


class CatalogueCalls(Calls):
    """What there is."""

    def add_resource(self, resource: Mapping[str, Any], items: Sequence[Item]) -> Json:
        """Register a draft of a resource."""
        return self._post("resources", {**resource, "items": [item.as_json() for item in items]})

    def publish_resource(self, code: str) -> Json:
        """Publish a draft: its schema is fixed and its topic made."""
        return self._post(f"resources/{slug(code)}/publish")

    def change_items(self, code: str, items: Sequence[Item]) -> Json:
        """Give a resource another version of its items; refused when it would break subscribers."""
        body = {"items": [item.as_json() for item in items]}
        answer: Json = self.put(f"resources/{slug(code)}/items", body)
        return answer

    def change_resource(self, code: str, changes: Mapping[str, Any]) -> Json:
        """Change details of a resource; what is left out stays."""
        answer: Json = self.patch(f"resources/{slug(code)}", changes)
        return answer

    def submit_resource(self, code: str) -> Json:
        """Hand a draft to the department's administrator."""
        return self._post(f"resources/{slug(code)}/submit")

    def return_resource(self, code: str, reason: str) -> Json:
        """Send a submitted resource back, with the reason."""
        return self._post(f"resources/{slug(code)}/return", {"reason": reason})

    def withdraw_resource(self, code: str) -> Json:
        """Withdraw a published resource: its grants end, nobody reads or writes it any more."""
        return self._post(f"resources/{slug(code)}/withdraw")

    def remove_resource(self, code: str) -> None:
        """Delete a draft that was never published."""
        self.delete(f"resources/{slug(code)}")

    def put_classification(self, code: str, en: str, zh: str) -> Json:
        """Add a class to the directory tree, or name one anew."""
        answer: Json = self.put(f"classifications/{code}", {"en": en, "zh": zh})
        return answer

    def remove_classification(self, code: str) -> None:
        """Remove a class that nothing is in."""
        self.delete(f"classifications/{code}")

    def resource(self, code: str) -> Json:
        """Return a resource with its items."""
        answer: Json = self.get(f"resources/{slug(code)}")
        return answer

    def clashes(self, code: str) -> list[Json]:
        """Return other departments' resources that hold the same items."""
        answer: list[Json] = self.get(f"resources/{slug(code)}/clashes")
        return answer

    def differences(self, code: str, before: int | None = None, after: int | None = None) -> Json:
        """Return what differs between two versions; by default the present one and the one before it."""
        answer: Json = self.get(f"resources/{slug(code)}/diff", before=before, after=after)
        return answer

    def export_catalogue(self, form: str, **wanted: Any) -> bytes:
        """Return resources as a file: ``form`` xlsx or csv."""
        return self._file("catalogue/export", format=form, **wanted)

    def import_catalogue(self, data: bytes, form: str, *, partly: bool = False, trial: bool = False) -> Json:
        """Take a file of resources in; the answer names each faulty cell."""
        said = {"format": form, "partly": partly, "trial": trial}
        answer: Json = self._http.upload("/api/v1/catalogue/import", data, **said)
        return answer

    def export_list(self, kind: str, form: str, department: int | None = None) -> bytes:
        """Return one of the three lists as a file."""
        return self._file(f"lists/{kind}/export", format=form, department=department)

    def dcat(self) -> Json:
        """Return the whole published catalogue as DCAT (JSON-LD)."""
        whole: Json = {}
        cursor: str | None = None
        while True:
            part, cursor = self._dcat_part(cursor)
            whole = whole or {**part, "dcat:dataset": []}
            whole["dcat:dataset"] += part["dcat:dataset"]
            if cursor is None:
                return whole

    def _dcat_part(self, cursor: str | None) -> tuple[Json, str | None]:
        part: Json = self.get("catalogue/dcat", limit=PAGE, cursor=cursor)
        return part, part.pop("exchange:next", None)

    def _file(self, path: str, **params: Any) -> bytes:
        given = {name: value for name, value in params.items() if value is not None}
        return self._http.download(f"/api/v1/{path}", **given)

    def add_base_library(self, library: Library, source: str) -> Json:
        """Register a base library that ships as a draft of ``source``'s department, shared under conditions."""
        return self._post(
            "resources",
            {
                "classification": library.classification,
                "name": library.zh,
                "summary": library.summary,
                "source_system": source,
                "sharing_type": 2,
                "sharing_condition": "依据基础信息库共享管理规定",
                "update_cycle": library.update_cycle,
                "timestamp_column": library.timestamp_column,
                "items": list(library.items),
            },
        )
