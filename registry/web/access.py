"""What endpoints depend on: the runtime, and the authenticated caller.

What asks no database is ``async``: everything else takes a turn in the thread pool.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from exchange.text import Text
from registry.access.caller import Caller
from registry.access.service import caller_of
from registry.errors import Forbidden, Unauthenticated
from registry.organisation.domain import Role
from registry.runtime import Runtime

bearer = HTTPBearer(auto_error=False, description="a token of /oauth2/token")


async def runtime_of(request: Request) -> Runtime:
    """Return the runtime that the application was made with."""
    runtime = request.app.state.runtime
    assert isinstance(runtime, Runtime)
    return runtime


Registry = Annotated[Runtime, Depends(runtime_of)]


def authenticated(
    request: Request,
    registry: Registry,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Return who calls. Errors: Unauthenticated, TooManyRequests."""
    peer = request.client.host if request.client else ""
    try:
        caller = _caller(registry, credentials)
    except Unauthenticated:
        registry.limits.failures.take(peer)  # who has a good token is never hindered by others at the address
        raise
    registry.limits.requests.take((caller.client_id is None, caller.name))
    return caller


def _caller(registry: Runtime, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    if credentials is None:
        raise Unauthenticated(reason=Text("there is none", "未提供令牌"))
    with registry.database.read() as session:
        return caller_of(session, registry.tokens, credentials.credentials)


async def no_auditor(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """Return the caller, who is not an auditor: auditors read the audit, and nothing else. Errors: Forbidden."""
    if caller.role is Role.AUDITOR:
        raise Forbidden(reason=Text("an auditor reads the audit and nothing else", "审计管理员仅可查阅审计记录"))
    return caller


async def party(caller: Annotated[Caller, Depends(no_auditor)]) -> Caller:
    """Return the caller, who may have a part in decisions about data: a security administrator has none."""
    if caller.role is Role.SECURITY_ADMIN:
        raise Forbidden(reason=Text("a security administrator has no part in this", "安全管理员不参与数据共享决定"))
    return caller


async def system_admin(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """Return the caller, who is a system administrator of some division. Errors: Unauthenticated, Forbidden."""
    caller.must_administer(caller.division)
    return caller


async def security_admin(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """Return the caller, who is a security administrator of some division. Errors: Unauthenticated, Forbidden."""
    caller.must_secure()
    return caller


async def auditor(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """Return the caller, who is an auditor. Errors: Unauthenticated, Forbidden."""
    caller.must_audit()
    return caller


Anyone = Annotated[Caller, Depends(authenticated)]  # with an account, auditors too
Authenticated = Annotated[Caller, Depends(no_auditor)]
Party = Annotated[Caller, Depends(party)]
SystemAdmin = Annotated[Caller, Depends(system_admin)]  # whoever changes something asks for its division as well
SecurityAdmin = Annotated[Caller, Depends(security_admin)]
Auditor = Annotated[Caller, Depends(auditor)]
