"""The admin API as a program calls it: one method a call, plain JSON back.

Errors of every method: RegistryUnavailable, LoginFailed, Refused, NotFound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exchange.contract import slug
from exchange.items import Item
from exchange.registry_http import Login, RegistryHttp
from exchange.settings import RegistrySettings

Json = dict[str, Any]


class AdminClient:
    """The admin API under one user's name."""

    def __init__(self, settings: RegistrySettings, username: str, password: str) -> None:
        form = {"grant_type": "password", "username": username, "password": password}
        self._http = RegistryHttp(settings, Login(username, form))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """Return what a GET under ``/api/v1`` answers."""
        return self._http.get(f"/api/v1/{path}", **params)

    def add_department(self, uscc: str, name: str, division: str) -> int:
        """Register a department; return its id."""
        answer = self._post("departments", {"uscc": uscc, "name": name, "division": division})
        department: int = answer["id"]
        return department

    def add_user(self, name: str, password: str, role: str, department: int | None = None) -> None:
        """Register a user."""
        self._post("users", {"name": name, "password": password, "role": role, "department_id": department})

    def add_system(self, client_id: str, department: int, name: str) -> str:
        """Register a department's system; return its secret, which is told this once."""
        answer = self._post("systems", {"client_id": client_id, "department_id": department, "name": name})
        secret: str = answer["secret"]
        return secret

    def add_resource(self, resource: Mapping[str, Any], items: Sequence[Item]) -> Json:
        """Register a draft of a resource."""
        return self._post("resources", {**resource, "items": [item.as_json() for item in items]})

    def publish_resource(self, code: str) -> Json:
        """Publish a draft: its schema is fixed and its topic made."""
        return self._post(f"resources/{slug(code)}/publish")

    def change_items(self, code: str, items: Sequence[Item]) -> Json:
        """Give a resource another version of its items; refused when it would break subscribers."""
        body = {"items": [item.as_json() for item in items]}
        answer: Json = self._http.call("PUT", f"/api/v1/resources/{slug(code)}/items", json=body)
        return answer

    def request(self, code: str, client_id: str, purpose: str, legal_basis: str) -> Json:
        """Ask for a resource on behalf of a system of one's own department."""
        body = {"resource": slug(code), "client_id": client_id, "purpose": purpose, "legal_basis": legal_basis}
        return self._post("requests", body)

    def approve(self, request: int) -> Json:
        """Grant a request; the answer comes when the broker has the ACL, or says ``enforced: false``."""
        return self._post(f"requests/{request}/approve")

    def refuse(self, request: int, reason: str) -> Json:
        """Refuse a request, with a reason."""
        return self._post(f"requests/{request}/refuse", {"reason": reason})

    def revoke(self, grant: int, reason: str) -> Json:
        """End a grant; the answer comes when nothing more is handed out, or says ``enforced: false``."""
        return self._post(f"grants/{grant}/revoke", {"reason": reason})

    def reconciliation(self, code: str, client_id: str) -> Json:
        """Return published and landed of one resource and subscriber, by their receipts."""
        answer: Json = self.get("reconciliation", resource=slug(code), client_id=client_id)
        return answer

    def _post(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        answer: Json = self._http.post(f"/api/v1/{path}", body)
        return answer
