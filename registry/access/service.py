"""Logging in: credentials to a token, and a token to its caller as the database knows it now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access import secrets
from registry.access.caller import Caller
from registry.access.tokens import BROKER_AUDIENCE, REGISTRY_AUDIENCE, USER_PREFIX, Token, Tokens
from registry.errors import OAuthError, Unauthenticated
from registry.organisation.domain import Role
from registry.organisation.models import System, User
from registry.organisation.reach import below

SCOPES = {"kafka": BROKER_AUDIENCE, "registry": REGISTRY_AUDIENCE}
# Columns, not the object: the busiest question of all takes half the time so.
_SECRET = select(System.secret_sha256, System.active, System.department_id).where(
    System.client_id == bindparam("client_id")
)
NOBODY = secrets.digest(secrets.new_secret())


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in."""

    name: str
    role: str
    department_id: int | None


def audiences(scope: str | None) -> list[str]:
    """Return the audiences that a scope asks for; none asks for all. Errors: OAuthError."""
    names = (scope or "").split()
    unknown = [name for name in names if name not in SCOPES]
    if unknown:
        raise OAuthError("invalid_scope", Text("scopes are kafka and registry", "scope 仅支持 kafka 与 registry"))
    return [audience for name, audience in SCOPES.items() if not names or name in names]


@dataclass(frozen=True, slots=True)
class Principal:
    """A system that proved itself."""

    client_id: str
    department_id: int


def proved_system(connection: Connection, client_id: str, secret: str) -> Principal:
    """Return the system that has this secret. Errors: OAuthError."""
    known = connection.execute(_SECRET, {"client_id": client_id}).one_or_none()
    right = secrets.matches(secret, (known and known.secret_sha256) or NOBODY)
    if known is None or not right or not known.active:
        raise OAuthError("invalid_client", Text("client_id or secret is wrong", "client_id 或密钥错误"))
    return Principal(client_id, known.department_id)


def system_token(tokens: Tokens, system: Principal, wanted: Sequence[str]) -> Token:
    """Return a token of a system that has proved itself, for these audiences."""
    return tokens.issue(system.client_id, wanted, roles=["system"], department=system.department_id)


def user_token(tokens: Tokens, person: Person) -> Token:
    """Return a token of a person who signed in; people are no principals."""
    subject = f"{USER_PREFIX}{person.name}"
    return tokens.issue(subject, [REGISTRY_AUDIENCE], roles=[person.role], department=person.department_id)


def must_be_persons_scope(scope: str | None) -> None:
    """Raise OAuthError unless a person may ask for that scope."""
    if scope and audiences(scope) != [REGISTRY_AUDIENCE]:
        raise OAuthError("invalid_scope", Text("a user's scope is registry", "用户的 scope 仅支持 registry"))


def caller_of(session: Session, tokens: Tokens, token: str) -> Caller:
    """Return who sent ``token``; the database decides what they are now. Errors: Unauthenticated."""
    subject = tokens.subject(token)
    if subject.startswith(USER_PREFIX):
        user = session.get(User, subject.removeprefix(USER_PREFIX))
        if user is not None and may_sign_in(user):
            return _person(session, user)
    else:
        system = session.get(System, subject)
        if system is not None and system.active:
            home = system.department.division
            return Caller(
                system.client_id,
                system.department_id,
                client_id=system.client_id,
                division=home,
                subtree=frozenset({home}),
            )
    raise Unauthenticated(reason=Text("the account is unknown or switched off", "账号不存在或已停用"))


def may_sign_in(user: User) -> bool:
    """Whether an account is on, and its department, if it has one, not dissolved."""
    return user.active and (user.department is None or user.department.valid_to is None)


def _person(session: Session, user: User) -> Caller:
    if user.department is not None:
        home = user.department.division
        return Caller(user.name, user.department_id, Role(user.role), division=home, subtree=frozenset({home}))
    subtree = frozenset(session.scalars(below(user.division))) if user.division else frozenset()
    return Caller(user.name, None, Role(user.role), division=user.division, subtree=subtree)
