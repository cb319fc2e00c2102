"""Who takes part: roles, and the names that a system may have."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum

from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

from exchange.text import Text
from registry.errors import Invalid

CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
RESERVED = frozenset({"broker", "anonymous", "self"})  # `self` is an address of the API
RESERVED_PREFIX = "exchange"


class Role(StrEnum):
    """What a user may do: one of the three (三员) for a division or the whole node, or a part in one department."""

    SYSTEM_ADMIN = "system_admin"  # divisions, nodes, departments, systems
    SECURITY_ADMIN = "security_admin"  # users, roles, secrets
    AUDITOR = "auditor"  # reads the audit, and nothing else
    DEPARTMENT_ADMIN = "department_admin"
    DATA_OWNER = "data_owner"  # decides about the department's resources
    DEVELOPER = "developer"  # reads what is the department's own


DEPARTMENT_ROLES = frozenset({Role.DEPARTMENT_ADMIN, Role.DATA_OWNER, Role.DEVELOPER})
THREE_DUTIES = frozenset(Role) - DEPARTMENT_ROLES
STAFF = frozenset({Role.DATA_OWNER, Role.DEVELOPER})  # whom a department's administrator registers


def check_client_id(client_id: str) -> str:
    """Return ``client_id`` if a system may have it. Errors: Invalid."""
    if not CLIENT_ID.fullmatch(client_id):
        raise Invalid(
            field="client_id",
            reason=Text(
                "3 to 63 lower-case letters, digits or -, not beginning with -",
                "应为 3 至 63 位小写字母、数字或 -，且不以 - 开头",
            ),
        )
    if client_id in RESERVED or client_id.startswith(RESERVED_PREFIX):
        raise Invalid(
            field="client_id",
            reason=Text(f"{client_id} is reserved for the exchange itself", f"{client_id} 为系统保留"),
        )
    return client_id


def check_uscc(code: str) -> str:
    """Return ``code`` if it is a valid unified social credit code (GB 32100). Errors: Invalid."""
    try:
        valid = uscc.validate(code) == code
    except ValidationError:
        valid = False
    if not valid:
        raise Invalid(field="uscc", reason=Text("not a valid unified social credit code", "不是有效的统一社会信用代码"))
    return code


def check_user(role: Role, department_id: int | None, division: str | None = None) -> None:
    """Raise Invalid unless exactly a department's roles belong to a department, and only the three to a division."""
    if (role in DEPARTMENT_ROLES) != (department_id is not None):
        raise Invalid(
            field="department_id",
            reason=Text("given for a role in a department, and only for one", "部门角色必填，其他角色不得填写"),
        )
    if role in DEPARTMENT_ROLES and division is not None:
        raise Invalid(
            field="division",
            reason=Text("follows from the department for a role in it", "部门角色的区划取自所属部门，不得填写"),
        )


def check_future(field: str, day: date, today: date) -> None:
    """Raise Invalid for a day that has not come: what is recorded has happened."""
    if day > today:
        raise Invalid(field=field, reason=Text("lies in the future", "晚于今天"))
