"""Who calls, and what they may do: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.text import Text
from registry.errors import Forbidden
from registry.organisation.domain import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user (``role`` set) or system (``client_id`` set); ``department_id`` is where it belongs."""

    name: str
    department_id: int | None
    role: Role | None = None
    client_id: str | None = None

    @property
    def sees_everything(self) -> bool:
        """Whether lists are shown whole."""
        return self.role is Role.SYSTEM_ADMIN

    def must_administer(self) -> None:
        """Raise Forbidden unless the caller is a system administrator."""
        if self.role is not Role.SYSTEM_ADMIN:
            raise Forbidden(reason=Text("a system administrator does this", "仅系统管理员可执行"))

    def must_manage(self, department_id: int) -> None:
        """Raise Forbidden unless the caller administers that department."""
        if self.role is not Role.DEPARTMENT_ADMIN or self.department_id != department_id:
            raise Forbidden(
                reason=Text("an administrator of the department concerned does this", "仅相关部门的管理员可执行")
            )

    def belongs_to(self, department_id: int) -> bool:
        """Whether the caller may look into what is that department's own."""
        return self.sees_everything or self.department_id == department_id
