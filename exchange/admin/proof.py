"""The admin API's calls about proof: keys of receipts, daily certificates, and where a record came from and went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exchange.admin.base import Calls, Json
from exchange.contract import slug


class ProofCalls(Calls):
    """What can be shown of what was published and landed."""

    def receipt_keys(self, client_id: str) -> Iterator[Json]:
        """Yield the keys that sign a system's receipts, ended ones too."""
        return self.every(f"systems/{client_id}/receipt-keys")

    def end_receipt_key(self, client_id: str, kid: str) -> Json:
        """End a key: what it signs from now on is refused."""
        return self._post(f"systems/{client_id}/receipt-keys/{kid}/end")

    def certificates(
        self, code: str | None = None, client_id: str | None = None, day: str | None = None
    ) -> Iterator[Json]:
        """Yield daily certificates of one's resources and grants, oldest first."""
        return self.every("certificates", resource=slug(code) if code else None, client_id=client_id, day=day)

    def certificate(self, certificate: int) -> Json:
        """Return a certificate with its signature."""
        found: Json = self.get(f"certificates/{certificate}")
        return found

    def certificate_keys(self) -> Json:
        """Return the registry's public keys of certificates (JWKS)."""
        found: Json = self.get("certificate-keys")
        return found

    def trace(self, code: str, **asked: Any) -> Json:
        """Return where a record came from and went: asked by ``key`` (a list of texts) or ``batch``."""
        return self._post("provenance", {"resource": slug(code), **asked})
