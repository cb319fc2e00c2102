"""Who takes part: roles, and the names that a system may have."""

from __future__ import annotations

import re
from enum import StrEnum

from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

from exchange.text import Text
from registry.errors import Invalid

CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
RESERVED = frozenset({"broker", "anonymous"})
RESERVED_PREFIX = "exchange"


class Role(StrEnum):
    """What a user may do: the organisation as a whole, or one department's resources and requests."""

    SYSTEM_ADMIN = "system_admin"
    DEPARTMENT_ADMIN = "department_admin"


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


def check_user(role: Role, department_id: int | None) -> None:
    """Raise Invalid unless exactly the department's administrators belong to a department."""
    if (role is Role.DEPARTMENT_ADMIN) != (department_id is not None):
        raise Invalid(
            field="department_id",
            reason=Text("given for a department_admin, and only for one", "department_admin 必填，其他角色不得填写"),
        )
