"""What endpoints depend on: the runtime, and the authenticated caller."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from exchange.text import Text
from registry.access.caller import Caller
from registry.access.service import caller_of
from registry.errors import Unauthenticated
from registry.runtime import Runtime

bearer = HTTPBearer(auto_error=False, description="a token of /oauth2/token")


def runtime_of(request: Request) -> Runtime:
    """Return the runtime that the application was made with."""
    runtime = request.app.state.runtime
    assert isinstance(runtime, Runtime)
    return runtime


Registry = Annotated[Runtime, Depends(runtime_of)]


def authenticated(
    registry: Registry, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Caller:
    """Return who calls. Errors: Unauthenticated."""
    if credentials is None:
        raise Unauthenticated(reason=Text("there is none", "未提供令牌"))
    with registry.database.read() as session:
        return caller_of(session, registry.tokens, credentials.credentials)


def system_admin(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """Return the caller, who is a system administrator. Errors: Unauthenticated, Forbidden."""
    caller.must_administer()
    return caller


Authenticated = Annotated[Caller, Depends(authenticated)]
SystemAdmin = Annotated[Caller, Depends(system_admin)]
