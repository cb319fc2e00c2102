"""The admin API's calls about requests, grants, objections and notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exchange.admin.base import Calls, Json
from exchange.contract import slug


class SharingCalls(Calls):
    """Who may read it."""

    def request(self, code: str, client_id: str, purpose: str, legal_basis: str, **more: Any) -> Json:
        """Ask for a resource on behalf of a system of one's own department.

        ``purpose``: administrative_basis, work_reference, data_verification or collaboration; ``more``: reason, items,
        rows, expected_volume, contact, until.
        """
        return self._post("requests", {"resource": slug(code), **_wish(client_id, purpose, legal_basis, more)})

    def request_all(self, codes: Sequence[str], client_id: str, purpose: str, legal_basis: str, **more: Any) -> Json:
        """Ask for several resources at once: one request each, under one batch."""
        body = {"resources": [slug(code) for code in codes], **_wish(client_id, purpose, legal_basis, more)}
        return self._post("request-batches", body)

    def requests(self, **filters: str | None) -> Iterator[Json]:
        """Yield the requests that one's department makes, decides, or is in charge of: by state, batch, resource."""
        return self.every("requests", **filters)

    def edit_request(self, request: int, changes: Mapping[str, Any]) -> Json:
        """Change a request that waits."""
        answer: Json = self.patch(f"requests/{request}", changes)
        return answer

    def withdraw(self, request: int) -> Json:
        """Take a request back."""
        return self._post(f"requests/{request}/withdraw")

    def review(self, request: int, refusal: str | None = None) -> Json:
        """Pass a request on to its provider, or refuse it with a reason."""
        return self._post(f"requests/{request}/review", {"refusal": refusal})

    def approve(self, request: int) -> Json:
        """Grant a request; the answer comes when the broker has the ACL, or says ``enforced: false``."""
        return self._post(f"requests/{request}/approve")

    def refuse(self, request: int, reason: str) -> Json:
        """Refuse a request, with a reason."""
        return self._post(f"requests/{request}/refuse", {"reason": reason})

    def dispute(self, request: int, reason: str) -> Json:
        """Bring a refusal before the authority of the provider's tier."""
        return self._post(f"requests/{request}/dispute", {"reason": reason})

    def grants(self, **filters: str | None) -> Iterator[Json]:
        """Yield the grants that one's department gives or has: by state, resource."""
        return self.every("grants", **filters)

    def renew(self, grant: int, purpose: str, legal_basis: str, **more: Any) -> Json:
        """Ask that an active grant ends later."""
        body = {"purpose": purpose, "legal_basis": legal_basis, **_given(more)}
        return self._post(f"grants/{grant}/renew", body)

    def suspend(self, grant: int, reason: str) -> Json:
        """Let a grant rest until it is resumed."""
        return self._post(f"grants/{grant}/suspend", {"reason": reason})

    def resume(self, grant: int) -> Json:
        """Make a suspended grant active again."""
        return self._post(f"grants/{grant}/resume")

    def revoke(self, grant: int, reason: str) -> Json:
        """End a grant; the answer comes when nothing more is handed out, or says ``enforced: false``."""
        return self._post(f"grants/{grant}/revoke", {"reason": reason})

    def object_to(self, code: str, client_id: str, complaint: str, key: str | None = None) -> Json:
        """Raise an objection to a record, by its key, or to a whole resource."""
        body = {"resource": slug(code), "client_id": client_id, "complaint": complaint, "key": key}
        return self._post("objections", body)

    def objections(self, **filters: str | None) -> Iterator[Json]:
        """Yield the objections that one's department raised or has to answer: by state, resource."""
        return self.every("objections", **filters)

    def step_objection(self, objection: int, step: str, body: Mapping[str, Any] | None = None) -> Json:
        """Take an objection a step on: accept, mark, verify, correct, close or archive."""
        return self._post(f"objections/{objection}/{step}", body)

    def set_webhook(self, client_id: str, url: str) -> Json:
        """Have a system's notices sent to a URL; the answer has the secret that signs them, told this once."""
        answer: Json = self.put(f"systems/{client_id}/webhook", {"url": url})
        return answer

    def remove_webhook(self, client_id: str) -> None:
        """Send a system's notices nowhere any more."""
        self.delete(f"systems/{client_id}/webhook")

    def notices(self, **filters: str | None) -> Iterator[Json]:
        """Yield what one's department was told: by kind."""
        return self.every("notices", **filters)

    def differences_found(self, *, open_only: bool = False) -> Iterator[Json]:
        """Yield what reconciliation found between publishers and subscribers."""
        return self.every("differences", open=True if open_only else None)

    def close_difference(self, difference: int, evidence: str) -> Json:
        """Close a difference that one's side answers for, and say why."""
        return self._post(f"differences/{difference}/close", {"evidence": evidence})

    def reconciliation(self, code: str, client_id: str) -> Json:
        """Return published and landed of one resource and subscriber, by their receipts."""
        answer: Json = self.get("reconciliation", resource=slug(code), client_id=client_id)
        return answer


def _wish(client_id: str, purpose: str, legal_basis: str, more: Mapping[str, Any]) -> Json:
    return {"client_id": client_id, "purpose": purpose, "legal_basis": legal_basis, **_given(more)}


def _given(more: Mapping[str, Any]) -> Json:
    return {name: value for name, value in more.items() if value is not None}
