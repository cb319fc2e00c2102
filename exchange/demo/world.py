"""The demo's three tiers: departments, administrators, systems and the one resource, made through the admin API."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.admin import AdminClient
from exchange.demo.villages import ITEMS
from exchange.settings import RegistrySettings

RESOURCE = "307440000/000001"
NAME = "村级行政区划"


@dataclass(frozen=True, slots=True)
class Tier:
    """One department of the demo, with its administrator and its system."""

    key: str
    division: str
    department: str
    uscc: str  # synthetic, with a valid check character
    client_id: str
    system: str


PROVINCE = Tier(
    "province", "440000", "省民政厅（演示）", "11440000000000001A", "440000-mz-villages", "区划地名管理系统"
)
CITY = Tier("city", "440600", "佛山市数据局（演示）", "11440600000000002C", "440600-sj-villages", "市域治理平台")
COUNTY = Tier("county", "440604", "禅城区民政局（演示）", "114406040000000039", "440604-mz-villages", "社区服务系统")


class World:
    """The registry with the three tiers in it; the secrets of systems are kept as files of mode 0600."""

    def __init__(self, registry_url: str, passwords: Mapping[str, str], directory: Path) -> None:
        self.registry = RegistrySettings(url=registry_url)
        self._root = AdminClient(self.registry, "admin", passwords["admin"])
        self._security = AdminClient(self.registry, "security", passwords["security"])
        self._passwords: dict[str, str] = {}
        self._directory = directory

    def found(self) -> None:
        """Register departments, administrators and systems of all tiers."""
        for tier in (PROVINCE, CITY, COUNTY):
            department = self._root.add_department(tier.uscc, tier.department, tier.division)
            self._passwords[tier.key] = secrets.token_urlsafe(24)
            first = secrets.token_urlsafe(24)
            self._security.add_user(f"{tier.key}-admin", first, "department_admin", department)
            AdminClient.change_password(self.registry, f"{tier.key}-admin", first, self._passwords[tier.key])
            secret = self._root.add_system(tier.client_id, department, tier.system)
            self._keep(self.secret_file(tier), secret)

    def publish(self) -> None:
        """Have the province register and publish its resource, under conditions (sharing type 2)."""
        with self.administrator(PROVINCE) as admin:
            admin.add_resource(
                {
                    "code": RESOURCE,
                    "name": NAME,
                    "summary": "广东省村级行政区划名称与代码",
                    "source_system": PROVINCE.client_id,
                    "sharing_type": 2,
                    "sharing_condition": "仅限政务部门因履职需要使用",
                    "update_cycle": "yearly",
                },
                ITEMS,
            )
            admin.publish_resource(RESOURCE)

    @contextmanager
    def administrator(self, tier: Tier) -> Iterator[AdminClient]:
        """Yield the admin API under the name of a tier's administrator."""
        admin = AdminClient(self.registry, f"{tier.key}-admin", self._passwords[tier.key])
        try:
            yield admin
        finally:
            admin.close()

    def secret_file(self, tier: Tier) -> Path:
        """Return the file with the secret of a tier's system."""
        return self._directory / f"{tier.client_id}.secret"

    def close(self) -> None:
        """Close the connections."""
        self._root.close()
        self._security.close()

    def _keep(self, path: Path, secret: str) -> None:
        path.touch(mode=0o600)
        path.write_text(secret, encoding="utf-8")
