"""The admin API's calls about the audit, for auditors."""

from __future__ import annotations

import json
from collections.abc import Iterator

from exchange.admin.base import Calls, Json

LINES_AT_ONCE = 10_000


class AuditCalls(Calls):
    """What was done, and the heads that hold it."""

    def audit_entries(self, limit: int, **filters: str | None) -> list[Json]:
        """Return the newest entries, the newest first; filters: actor, action, target, since, until."""
        entries: list[Json] = self.get("audit/entries", sort="-number", limit=limit, **filters)["items"]
        return entries

    def audit_entry(self, number: int) -> Json:
        """Return one entry."""
        entry: Json = self.get(f"audit/entries/{number}")
        return entry

    def audit_export(self, until: int) -> Iterator[Json]:
        """Yield all entries up to a number, in the order in which they are stored."""
        after = 0
        while after < until:
            params = {"after": after, "until": until, "limit": LINES_AT_ONCE}
            lines = [json.loads(line) for line in self._http.download("/api/v1/audit/export", **params).splitlines()]
            if not lines:
                return
            yield from lines
            after = lines[-1]["number"]

    def sign_audit(self) -> Json:
        """Have the audit signed as it is now; return the head."""
        return self._post("audit/heads")

    def audit_heads(self) -> list[Json]:
        """Return all signed heads, and last the one that the bus has, if it can be asked."""
        witness = self.get("audit/heads/published")["head"]
        return [*self.every("audit/heads"), *([witness] if witness else [])]

    def audit_keys(self) -> dict[str, str]:
        """Return the public keys of the heads, as PEM by id."""
        keys: dict[str, str] = self.get("audit/keys")["keys"]
        return keys
