"""Who calls, and what they may do: pure decisions."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from exchange.text import Text
from registry.errors import Forbidden
from registry.organisation.domain import DEPARTMENT_ROLES, Role

DECIDERS = frozenset({Role.DEPARTMENT_ADMIN, Role.DATA_OWNER})


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user (``role`` set) or system (``client_id`` set); ``department_id`` is where it belongs.

    ``division``: the code that the account is delegated to, for a department's account that of its department; None is
    the whole node. ``subtree``: that code and all below it (for a department's account the code alone).
    """

    name: str
    department_id: int | None
    role: Role | None = None
    client_id: str | None = None
    division: str | None = None
    subtree: AbstractSet[str] = frozenset()

    @property
    def sees_everything(self) -> bool:
        """Whether lists are shown whole: to a system administrator of the whole node."""
        return self.role is Role.SYSTEM_ADMIN and self.division is None

    @property
    def governs(self) -> bool:
        """Whether the caller is one of the three: system, security, audit."""
        return self.role is not None and self.role not in DEPARTMENT_ROLES

    def within(self, division: str) -> bool:
        """Whether a division is the caller's own or below it."""
        return (self.division is None and self.governs) or division in self.subtree

    def must_manage(self, department_id: int) -> None:
        """Raise Forbidden unless the caller administers that department."""
        if self.role is not Role.DEPARTMENT_ADMIN or self.department_id != department_id:
            raise Forbidden(
                reason=Text("an administrator of the department concerned does this", "仅相关部门的管理员可执行")
            )

    def must_decide(self, department_id: int) -> None:
        """Raise Forbidden unless the caller decides about that department's data: its administrator or a data owner."""
        if self.role not in DECIDERS or self.department_id != department_id:
            raise Forbidden(
                reason=Text(
                    "an administrator or data owner of the department concerned does this",
                    "仅相关部门的管理员或数据责任人可执行",
                )
            )

    def must_administer(self, division: str | None = None) -> None:
        """Raise Forbidden unless the caller is a system administrator of that division; None: of the whole node."""
        self._must_be(Role.SYSTEM_ADMIN, Text("a system administrator does this", "仅系统管理员可执行"))
        self._must_reach(division)

    def must_secure(self, division: str | None = None, *, whole: bool = False) -> None:
        """Raise Forbidden unless the caller is a security administrator, of that division or the ``whole`` node."""
        self._must_be(Role.SECURITY_ADMIN, Text("a security administrator does this", "仅安全管理员可执行"))
        if whole or division is not None:
            self._must_reach(division)

    def must_audit(self) -> None:
        """Raise Forbidden unless the caller is an auditor."""
        self._must_be(Role.AUDITOR, Text("an auditor does this", "仅审计管理员可执行"))

    def belongs_to(self, department_id: int) -> bool:
        """Whether the caller may look into what is that department's own; ``sees`` knows of delegation too."""
        return self.sees_everything or self._is_of(department_id)

    def sees(self, department_id: int, division: str) -> bool:
        """Whether the caller may look into what is the own of a department of that division."""
        return self._is_of(department_id) or (self.role is Role.SYSTEM_ADMIN and self.within(division))

    def _is_of(self, department_id: int) -> bool:
        return not self.governs and self.department_id == department_id

    def _must_be(self, role: Role, reason: Text) -> None:
        if self.role is not role:
            raise Forbidden(reason=reason)

    def _must_reach(self, division: str | None) -> None:
        if self.division is not None and (division is None or not self.within(division)):
            raise Forbidden(reason=Text("it lies outside of your division", "不在您的管辖区划内"))
