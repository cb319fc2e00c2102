"""Departments, resources and grants for a test, made through the admin API of a real node."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from stdnum.cn import uscc

from exchange.admin import AdminClient
from exchange.contract import slug
from exchange.items import Item, ItemType
from exchange.settings import IdentitySettings, RegistrySettings, SystemSettings
from tests.support.node import RunningNode

PEOPLE = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("name", "姓名", ItemType.TEXT, length=50, required=True, sensitivity=3),
    Item("born", "出生日期", ItemType.DATE, sensitivity=3),
    Item("amount", "金额", ItemType.NUMBER, length=18, scale=2),
)

_numbers = itertools.count(secrets.randbelow(10**6) * 1000 + 1)


@dataclass(frozen=True)
class Office:
    """A department with its administrator and one system."""

    client_id: str
    secret: str = field(repr=False)
    admin: AdminClient
    registry: RegistrySettings
    login: tuple[str, str] = field(default=("", ""), repr=False)  # the administrator's name and password

    @property
    def settings(self) -> SystemSettings:
        identity = IdentitySettings(client_id=self.client_id, secret=SecretStr(self.secret))
        return SystemSettings(identity=identity, registry=self.registry)


class Catalogue:
    """The admin API of one node, for tests: every name is new, so that tests do not meet."""

    def __init__(self, node: RunningNode) -> None:
        self.node = node
        self.registry = RegistrySettings(url=node.registry_url)
        self.root = AdminClient(self.registry, "admin", node.passwords["admin"])
        self.security = AdminClient(self.registry, "security", node.passwords["security"])

    def office(self, word: str = "office", division: str = "440000") -> Office:
        number = next(_numbers)
        digits = f"11{division}{number:09d}"
        department = self.root.add_department(
            digits + uscc.calc_check_digit(digits + "0"), f"{word} {number}", division
        )
        user, first, password = f"{word}-{number}", secrets.token_urlsafe(20), secrets.token_urlsafe(20)
        self.security.add_user(user, first, "department_admin", department)
        AdminClient.change_password(self.registry, user, first, password)
        client_id = f"{division}-{word}-{number}"
        secret = self.root.add_system(client_id, department, word)
        admin = AdminClient(self.registry, user, password)
        return Office(client_id, secret, admin, self.registry, (user, password))

    def resource(self, owner: Office, items: Sequence[Item] = PEOPLE, **more: Any) -> str:
        """Register and publish a resource of ``owner``, shared under conditions; return its code."""
        code = f"307440000000/{next(_numbers) % 10**6:06d}"
        described = {
            "code": code,
            "name": "测试资源",
            "summary": "测试",
            "source_system": owner.client_id,
            "sharing_type": 2,
            "sharing_condition": "测试",
            "update_cycle": "daily",
        }
        owner.admin.add_resource({**described, **more}, items)
        owner.admin.publish_resource(code)
        return code

    def request(self, office: Office, code: str) -> int:
        request: int = office.admin.request(code, office.client_id, "data_verification", "测试依据")["id"]
        return request

    def grant(self, owner: Office, office: Office, code: str) -> int:
        """Have ``office`` ask and ``owner`` approve; return the grant's id."""
        approved = owner.admin.approve(self.request(office, code))
        assert approved["enforced"] is True
        grant: int = approved["grant"]["id"]
        return grant

    def topic(self, code: str) -> str:
        return f"{self.node.settings.node.division}.{slug(code)}"
