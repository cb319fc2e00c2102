"""Noticing that a resource got another version of its items while an adapter runs."""

from __future__ import annotations

import time

from exchange.contract import Contract
from exchange.errors import NotConnected
from exchange.registry_client import RegistryClient
from exchange.settings import SystemSettings

ASK_EVERY_S = 30.0  # five thousand adapters must not keep their registry busy


class ContractWatch:
    """Asks the registry now and then; a source goes on while its registry is away."""

    def __init__(self, settings: SystemSettings, resource: str) -> None:
        self._settings = settings
        self._resource = resource
        self._asked = time.monotonic()
        self._settled: set[int] = set()  # schemas that were looked at: older than the contract's

    def contract(self) -> Contract:
        """Return the contract as it is now. Errors: those of the registry."""
        registry = RegistryClient(self._settings.registry, self._settings.identity)
        try:
            return registry.contract(self._resource)
        finally:
            registry.close()

    def moved(self, known: Contract) -> bool:
        """Return whether the contract is another one than ``known``; asks at most every half minute."""
        if time.monotonic() - self._asked < ASK_EVERY_S:
            return False
        self._asked = time.monotonic()
        try:
            return self.contract().schema_id != known.schema_id
        except NotConnected:
            return False

    def outdated(self, known: Contract, schema_ids: set[int]) -> bool:
        """Return whether records with these schemas were written by a newer contract than ``known``.

        Here the registry must answer: landing a new schema as an old one would lose the values of its new items.
        """
        unknown = schema_ids - self._settled - {known.schema_id}
        if not unknown:
            return False
        if self.contract().schema_id != known.schema_id:
            self._settled.clear()
            return True
        self._settled |= unknown
        return False
