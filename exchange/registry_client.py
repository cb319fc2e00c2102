"""The registry as an adapter or a department's program sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exchange.avro import Schema
from exchange.contract import Contract, slug
from exchange.registry_http import Login, RegistryHttp
from exchange.settings import IdentitySettings, RegistrySettings


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """The node that a registry belongs to; ``token_url`` is where any OAuth2 client gets its token."""

    division: str
    name: str
    bootstrap_servers: str
    security_protocol: str
    token_url: str


class RegistryClient:
    """Asks the registry as one system. Errors: RegistryUnavailable, LoginFailed, Refused, NotFound."""

    def __init__(self, settings: RegistrySettings, identity: IdentitySettings) -> None:
        basic = (identity.client_id, identity.secret.get_secret_value())
        form = {"grant_type": "client_credentials", "scope": "registry"}
        self._http = RegistryHttp(settings, Login(identity.client_id, form, basic))

    def contract(self, resource: str) -> Contract:
        """Return the contract of a resource; ``resource`` is its code or its slug."""
        return Contract.from_json(self._http.get(f"/api/v1/resources/{slug(resource)}/contract"))

    def node(self) -> NodeInfo:
        """Return the node that this registry belongs to."""
        data = self._http.get("/api/v1/node")
        return NodeInfo(
            division=data["division"],
            name=data["name"],
            bootstrap_servers=data["bootstrap_servers"],
            security_protocol=data["security_protocol"],
            token_url=f"{self._http.url}/oauth2/token",
        )

    def schema(self, schema_id: int) -> Schema:
        """Return the Avro schema with this id."""
        text: str = self._http.get(f"/schema-registry/schemas/ids/{schema_id}")["schema"]
        schema: Schema = json.loads(text)
        return schema

    def report(self, said: Mapping[str, Any]) -> None:
        """Tell how an adapter of this system stands: the body of ``POST /api/v1/adapters``."""
        self._http.post("/api/v1/adapters", said)

    def register_receipt_key(self, jwk: Mapping[str, str]) -> None:
        """Make known the public key with which this system signs its receipts; again is no error."""
        self._http.post("/api/v1/receipt-keys", {"jwk": dict(jwk)})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
