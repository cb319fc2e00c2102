"""Signing people in with a password: lock-out, its age, its history, and changing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access import secrets
from registry.access.service import Person, may_sign_in
from registry.audit.service import note
from registry.clock import Clock
from registry.database import Database
from registry.errors import OAuthError
from registry.organisation.models import FormerPassword, User
from registry.settings import AccountsGroup

NOBODY_HASH = secrets.hash_password(secrets.new_secret())  # an unknown name costs the same time as a wrong password


@dataclass(frozen=True)
class SignIn:
    """Checks passwords, and counts the wrong ones. Errors of all: OAuthError, always in the same words."""

    database: Database
    clock: Clock
    accounts: AccountsGroup

    def person(self, name: str, password: str) -> Person:
        """Return who has this password, which is not due to be changed."""
        user = self._proved(name, password)
        if user.must_change or self._too_old(user):
            raise OAuthError(
                "invalid_grant",
                Text(
                    "the password has to be changed first: `exchange user password`, or POST /oauth2/password",
                    "须先修改密码：`exchange user password` 或 POST /oauth2/password",
                ),
            )
        with self.database.write() as session:
            self._must_still_be_open(session, name)
            note(session, self.clock, actor=name, action="user.sign_in", target=f"user/{name}")
        return Person(user.name, user.role, user.department_id)

    def change(self, name: str, password: str, new: str) -> None:
        """Replace one's own password by one that was none of the last."""
        user = self._proved(name, password)
        self._must_be_new(user, new)
        made, now = secrets.hash_password(new), self.clock()
        with self.database.write() as session:
            self._must_still_be_open(session, name)
            taken = session.execute(
                update(User)
                .where(User.name == name, User.password_hash == user.password_hash)
                .values(password_hash=made, password_at=now, must_change=False, revision=User.revision + 1)
            )
            _must_have_taken(taken)
            session.add(FormerPassword(user=name, password_hash=user.password_hash))
            session.flush()
            self._forget_old(session, name)
            note(session, self.clock, actor=name, action="user.change_password", target=f"user/{name}")

    def _proved(self, name: str, password: str) -> User:
        with self.database.read() as session:
            user = session.get(User, name)
        right = secrets.password_matches(password, user.password_hash if user else NOBODY_HASH)
        if user is None or not may_sign_in(user) or self._locked(user):
            raise _wrong()
        if not right:
            self._count_failure(name)
            raise _wrong()
        return user

    def _count_failure(self, name: str) -> None:
        with self.database.write() as session:
            session.execute(update(User).where(User.name == name).values(failures=User.failures + 1))
            failures = session.scalar(select(User.failures).where(User.name == name)) or 0
            if failures >= self.accounts.lock_after:
                until = self.clock() + timedelta(minutes=self.accounts.lock_minutes)
                session.execute(update(User).where(User.name == name).values(failures=0, locked_until=until))
                note(
                    session,
                    self.clock,
                    actor="registry",
                    action="user.lock",
                    target=f"user/{name}",
                    facts={"until": until},
                )

    def _must_still_be_open(self, session: Session, name: str) -> None:
        # Others may have tried while this password was being checked: what they locked stays locked.
        opened = or_(User.locked_until.is_(None), User.locked_until <= self.clock())
        still = session.execute(update(User).where(User.name == name, opened).values(failures=0, locked_until=None))
        _must_have_taken(still)

    def _must_be_new(self, user: User, new: str) -> None:
        if user.name in new.lower():
            raise _weak(Text("it holds the user name", "密码不得包含用户名"))
        if any(secrets.password_matches(new, old) for old in (user.password_hash, *self._former(user.name))):
            last = self.accounts.password_history
            raise _weak(Text(f"it is one of the last {last}", f"不得与最近 {last} 次密码相同"))

    def _former(self, name: str) -> Sequence[str]:
        wanted = select(FormerPassword.password_hash).where(FormerPassword.user == name)
        with self.database.read() as session:
            return session.scalars(
                wanted.order_by(FormerPassword.id.desc()).limit(self.accounts.password_history - 1)
            ).all()

    def _forget_old(self, session: Session, name: str) -> None:
        kept = select(FormerPassword.id).where(FormerPassword.user == name).order_by(FormerPassword.id.desc())
        last = session.scalars(kept.limit(self.accounts.password_history)).all()
        session.execute(
            delete(FormerPassword).where(FormerPassword.user == name, FormerPassword.id.not_in(last)),
            execution_options={"synchronize_session": False},
        )

    def _locked(self, user: User) -> bool:
        return user.locked_until is not None and user.locked_until > self.clock()

    def _too_old(self, user: User) -> bool:
        return expires_at(user, self.accounts) <= self.clock()


def expires_at(user: User, accounts: AccountsGroup) -> datetime:
    """Return when a user's password has to be changed."""
    return user.password_at + timedelta(days=accounts.password_days)


def _must_have_taken(done: object) -> None:
    assert isinstance(done, CursorResult)
    if done.rowcount != 1:
        raise _wrong()


def _wrong() -> OAuthError:
    # One answer for all: who guesses learns neither which names exist, nor which are locked.
    return OAuthError(
        "invalid_grant",
        Text(
            "user name or password is wrong, or the account is off or locked for a while",
            "用户名或密码错误，或账号已停用、已暂时锁定",
        ),
    )


def _weak(reason: Text) -> OAuthError:
    return OAuthError(
        "invalid_request", Text(f"the new password is refused: {reason.en}", f"新密码不合要求：{reason.zh}")
    )
