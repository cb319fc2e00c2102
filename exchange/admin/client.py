"""The whole admin API under one user's name."""

from __future__ import annotations

from exchange.admin.audit import AuditCalls
from exchange.admin.catalogue import CatalogueCalls
from exchange.admin.evaluation import EvaluationCalls
from exchange.admin.organisation import OrganisationCalls
from exchange.admin.proof import ProofCalls
from exchange.admin.sharing import SharingCalls
from exchange.registry_http import Login, RegistryHttp, change_password
from exchange.settings import RegistrySettings


class AdminClient(AuditCalls, OrganisationCalls, CatalogueCalls, SharingCalls, ProofCalls, EvaluationCalls):
    """The admin API under one user's name. Errors of all: RegistryUnavailable, LoginFailed, Refused, NotFound."""

    def __init__(
        self, settings: RegistrySettings, username: str, password: str = "", *, session: str | None = None
    ) -> None:
        """``session``: what a sign-in in the browser left, in place of a password."""
        form = {"grant_type": "password", "username": username, "password": password}
        if session is not None:
            form = {"grant_type": "refresh_token", "refresh_token": session}
        super().__init__(RegistryHttp(settings, Login(username, form)))

    @staticmethod
    def change_password(settings: RegistrySettings, username: str, password: str, new: str) -> None:
        """Change a user's own password, as has to be done with one that another gave."""
        change_password(settings, username, password, new)
