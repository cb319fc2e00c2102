"""Logging in: credentials to a token, and a token to its caller as the database knows it now."""

from __future__ import annotations

from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access import secrets
from registry.access.caller import Caller
from registry.access.tokens import BROKER_AUDIENCE, REGISTRY_AUDIENCE, USER_PREFIX, Token, Tokens
from registry.errors import OAuthError, Unauthenticated
from registry.organisation.domain import Role
from registry.organisation.models import System, User

SCOPES = {"kafka": BROKER_AUDIENCE, "registry": REGISTRY_AUDIENCE}
NOBODY = secrets.digest(secrets.new_secret())
NOBODY_HASH = secrets.hash_password(secrets.new_secret())  # an unknown name costs the same time as a wrong password


def audiences(scope: str | None) -> list[str]:
    """Return the audiences that a scope asks for; none asks for all. Errors: OAuthError."""
    names = (scope or "").split()
    unknown = [name for name in names if name not in SCOPES]
    if unknown:
        raise OAuthError("invalid_scope", Text("scopes are kafka and registry", "scope 仅支持 kafka 与 registry"))
    return [audience for name, audience in SCOPES.items() if not names or name in names]


def system_token(session: Session, tokens: Tokens, client_id: str, secret: str, scope: str | None) -> Token:
    """Return a token of the system that has this secret. Errors: OAuthError."""
    wanted = audiences(scope)
    system = session.get(System, client_id)
    right = secrets.matches(secret, system.secret_sha256 if system else NOBODY)
    if system is None or not right or not system.active:
        raise OAuthError("invalid_client", Text("client_id or secret is wrong", "client_id 或密钥错误"))
    return tokens.issue(client_id, wanted, roles=["system"], department=system.department_id)


def user_token(session: Session, tokens: Tokens, name: str, password: str, scope: str | None) -> Token:
    """Return a token of the user who has this password; users are no principals. Errors: OAuthError."""
    if scope and audiences(scope) != [REGISTRY_AUDIENCE]:
        raise OAuthError("invalid_scope", Text("a user's scope is registry", "用户的 scope 仅支持 registry"))
    user = session.get(User, name)
    right = secrets.password_matches(password, user.password_hash if user else NOBODY_HASH)
    if user is None or not right or not user.active:
        raise OAuthError("invalid_grant", Text("user name or password is wrong", "用户名或密码错误"))
    return tokens.issue(f"{USER_PREFIX}{name}", [REGISTRY_AUDIENCE], roles=[user.role], department=user.department_id)


def caller_of(session: Session, tokens: Tokens, token: str) -> Caller:
    """Return who sent ``token``; the database decides what they are now. Errors: Unauthenticated."""
    subject = tokens.subject(token)
    if subject.startswith(USER_PREFIX):
        user = session.get(User, subject.removeprefix(USER_PREFIX))
        if user is not None and user.active:
            return Caller(user.name, user.department_id, role=Role(user.role))
    else:
        system = session.get(System, subject)
        if system is not None and system.active:
            return Caller(system.client_id, system.department_id, client_id=system.client_id)
    raise Unauthenticated(reason=Text("the account is unknown or switched off", "账号不存在或已停用"))
