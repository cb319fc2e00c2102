"""The admin API's calls about divisions, departments, systems and users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from exchange.admin.base import Calls, Json


class OrganisationCalls(Calls):
    """Who takes part."""

    def add_department(self, uscc: str, name: str, division: str) -> int:
        """Register a department; return its id."""
        department: int = self._post("departments", {"uscc": uscc, "name": name, "division": division})["id"]
        return department

    def change_department(self, department: int, changes: Mapping[str, Any]) -> Json:
        """Change name or node of a department."""
        answer: Json = self.patch(f"departments/{department}", changes)
        return answer

    def merge_department(self, department: int, into: int, on: date | None = None) -> Json:
        """Move all that a department has to another one, and dissolve it on a day (None: today)."""
        return self._post(f"departments/{department}/merge", {"into": into, "on": on.isoformat() if on else None})

    def split_department(self, department: int, parts: Mapping[int, Sequence[str]]) -> Json:
        """Move systems, each with its resources, to other departments: ``parts`` maps these to client_ids."""
        body = [{"department_id": to, "systems": list(systems)} for to, systems in parts.items()]
        return self._post(f"departments/{department}/split", {"parts": body})

    def add_division(self, code: str, name: str, parent: str | None, level: str) -> Json:
        """Create a division."""
        return self._post("divisions", {"code": code, "name": name, "parent": parent, "level": level})

    def rename_division(self, code: str, name: str, on: date | None = None) -> Json:
        """Give a division another name from a day on (None: today)."""
        return self._post(f"divisions/{code}/rename", {"name": name, "on": on.isoformat() if on else None})

    def end_division(self, code: str, on: date | None = None) -> Json:
        """End a division on a day (None: today)."""
        return self._post(f"divisions/{code}/end", {"on": on.isoformat() if on else None})

    def add_node(self, code: str, name: str, division: str, parent: str | None = None) -> Json:
        """Register another exchange node."""
        return self._post("nodes", {"code": code, "name": name, "division": division, "parent": parent})

    def change_node(self, code: str, changes: Mapping[str, Any]) -> Json:
        """Change name, division or parent of another node."""
        answer: Json = self.patch(f"nodes/{code}", changes)
        return answer

    def name_authority(self, division: str, department: int) -> Json:
        """Put a department in charge of a division."""
        answer: Json = self.put(f"authorities/{division}", {"department_id": department})
        return answer

    def dismiss_authority(self, division: str) -> None:
        """Leave a division to the authority above it."""
        self.delete(f"authorities/{division}")

    def rotate_keys(self) -> str:
        """Make a new key that signs tokens; return its id."""
        kid: str = self._post("keys/rotate")["kid"]
        return kid

    def add_system(self, client_id: str, department: int, name: str) -> str:
        """Register a department's system; return its secret, which is told this once."""
        answer = self._post("systems", {"client_id": client_id, "department_id": department, "name": name})
        secret: str = answer["secret"]
        return secret

    def rename_system(self, client_id: str, name: str) -> Json:
        """Give a system another name."""
        answer: Json = self.patch(f"systems/{client_id}", {"name": name})
        return answer

    def switch_system(self, client_id: str, *, active: bool) -> Json:
        """Switch a system on or off."""
        return self._post(f"systems/{client_id}/{'activate' if active else 'deactivate'}")

    def renew_secret(self, client_id: str) -> str:
        """Give a system a new secret, which is told this once."""
        secret: str = self._post(f"systems/{client_id}/secret")["secret"]
        return secret

    def take_key(self, client_id: str, pem: str) -> Json:
        """Have a system sign in with its own key, whose public part is ``pem``."""
        answer: Json = self.put(f"systems/{client_id}/key", {"pem": pem})
        return answer

    def add_user(self, name: str, password: str, role: str, department: int | None = None, **more: str | None) -> Json:
        """Register a user, who has to change the password first; ``more``: division, email, subject."""
        body = {"name": name, "password": password, "role": role, "department_id": department, **more}
        return self._post("users", body)

    def change_user(self, name: str, changes: Mapping[str, Any]) -> Json:
        """Change role, department, division, email or subject of an account."""
        answer: Json = self.patch(f"users/{name}", changes)
        return answer

    def switch_user(self, name: str, *, active: bool) -> Json:
        """Switch an account on or off."""
        return self._post(f"users/{name}/{'activate' if active else 'deactivate'}")

    def reset_password(self, name: str, password: str) -> Json:
        """Give an account a password, which has to be changed first."""
        return self._post(f"users/{name}/password", {"password": password})
