"""A registry in this process, without its threads: the API through a client, its parts at hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from stdnum.cn import uscc

from exchange.contract import slug
from exchange.items import Item, ItemType
from registry.catalogue import directory
from registry.database import Database, database_url
from registry.migrate import migrate
from registry.organisation import divisions
from registry.runtime import Runtime, build
from registry.settings import AccountsGroup, BrokerGroup, DatabaseGroup, EnforcerGroup, RegistryGroup, Settings
from registry.web.app import create_app

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("name", "姓名", ItemType.TEXT, length=50, required=True),
    Item("amount", "金额", ItemType.NUMBER, length=18, scale=2),
)
PASSWORD = "correct horse battery"
NOWHERE = BrokerGroup(bootstrap_servers="127.0.0.1:1", timeout_s=0.2)

_numbers = itertools.count(1)


class MovedClock:
    """The time, which a test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True)
class Person:
    """A caller with a token."""

    http: TestClient
    token: str
    name: str
    secret: str

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.http.request(method, f"/api/v1/{path}", json=body, params=params, headers=headers)

    def get(self, path: str, **params: Any) -> Any:
        return good(self.call("GET", path, **params))

    def post(self, path: str, body: Any = None) -> Any:
        return good(self.call("POST", path, body))


@dataclass(frozen=True)
class Office:
    """A department: its administrator, and its system."""

    id: int
    admin: Person
    system: Person

    @property
    def client_id(self) -> str:
        return self.system.name


class World:
    """Departments, resources and grants made through the API."""

    def __init__(self, runtime: Runtime, clock: MovedClock) -> None:
        self.runtime = runtime
        self.clock = clock
        self.http = TestClient(create_app(runtime), raise_server_exceptions=False)

    @cached_property
    def root(self) -> Person:
        return self._first("admin")

    @cached_property
    def security(self) -> Person:
        return self._first("security")

    @cached_property
    def auditor(self) -> Person:
        return self._first("auditor")

    def token(self, **form: str) -> str:
        return str(good(self.http.post("/oauth2/token", data=form))["access_token"])

    def user(self, name: str, password: str) -> Person:
        return Person(self.http, self.token(grant_type="password", username=name, password=password), name, password)

    def system(self, client_id: str, secret: str) -> Person:
        token = self.token(grant_type="client_credentials", client_id=client_id, client_secret=secret)
        return Person(self.http, token, client_id, secret)

    def office(self, division: str = "440000", word: str = "office") -> Office:
        number = next(_numbers)
        body = {"uscc": new_uscc(division), "name": f"{word} {number}", "division": division}
        made = self.root.post("departments", body)
        who = {"name": f"{word}-{number}", "password": PASSWORD}
        self.security.post("users", {**who, "role": "department_admin", "department_id": made["id"]})
        client_id = f"{division}-{word}-{number}"
        told = self.root.post("systems", {"client_id": client_id, "department_id": made["id"], "name": word})
        return Office(made["id"], self.user(**who), self.system(client_id, told["secret"]))

    def draft(self, owner: Office, items: Sequence[Item] = ITEMS, **more: Any) -> str:
        """Register a draft; return its slug."""
        code = f"307440000/{next(_numbers):06d}"
        body = {
            "code": code,
            "name": "测试资源",
            "summary": "测试",
            "source_system": owner.client_id,
            "sharing_type": 2,
            "sharing_condition": "测试条件",
            "update_cycle": "daily",
            "items": [item.as_json() for item in items],
            **more,
        }
        owner.admin.post("resources", body)
        return slug(code)

    def resource(self, owner: Office, items: Sequence[Item] = ITEMS, **more: Any) -> str:
        """Register and publish a resource; return its slug."""
        name = self.draft(owner, items, **more)
        owner.admin.post(f"resources/{name}/publish")
        return name

    def request(self, office: Office, resource: str, **more: Any) -> Any:
        body = {
            "resource": resource,
            "client_id": office.client_id,
            "purpose": "data_verification",
            "legal_basis": "依据",
        }
        return office.admin.post("requests", {**body, **more})

    def grant(self, owner: Office, office: Office, resource: str, **more: Any) -> Any:
        """Ask and approve; return the approval."""
        asked = self.request(office, resource, **more)
        return owner.admin.post(f"requests/{asked['id']}/approve")

    def person(self, name: str, role: str, **place: Any) -> Person:
        """Register a user and sign in."""
        self.security.post("users", {"name": name, "password": PASSWORD, "role": role, **place})
        return self.user(name, PASSWORD)

    def _first(self, name: str) -> Person:
        return self.user(name, (self.runtime.settings.registry.data_dir / f"{name}.password").read_text())

    def metric(self, name: str, **labels: str) -> float:
        families = text_string_to_metric_families(self.runtime.metrics.text().decode())
        samples = (sample for family in families for sample in family.samples)
        return next((sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)), 0.0)


@contextmanager
def world(directory: Path, url: str | None = None, **groups: Any) -> Iterator[World]:
    """A registry of the test's own; ``groups`` replace groups of its settings. The broker is away by default."""
    clock = MovedClock()
    settings = Settings(
        **{
            "registry": RegistryGroup(data_dir=directory, key_delay_s=0, receipt_grace_s=5),
            "database": DatabaseGroup(url=url),
            "accounts": AccountsGroup(change_first=False),
            "broker": NOWHERE,
            "enforcer": EnforcerGroup(),
            **groups,
        }
    )
    known = database_url(settings)
    if known.drivername == "sqlite" and not (file := Path(known.database or "")).exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(_first_database())
    runtime = build(settings, clock)
    try:
        yield World(runtime, clock)
    finally:
        runtime.database.close()


@cache
def _first_database() -> bytes:
    """A database without a user, as a first start makes it: the same each time, so it is made once a process."""
    with TemporaryDirectory() as place:
        file = Path(place) / "registry.db"
        database = Database(f"sqlite:///{file}")
        migrate(database)
        with database.write() as session:
            divisions.seed(session)
            directory.seed(session)
        database.close()
        return file.read_bytes()


def new_uscc(division: str) -> str:
    """A valid code that no other department has."""
    digits = f"11{division[:6]}{next(_numbers):09d}"
    return digits + str(uscc.calc_check_digit(digits + "0"))


def good(response: Any) -> Any:
    assert response.is_success, f"{response.status_code} {response.text}"
    return response.json() if response.content else None
