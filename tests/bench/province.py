"""A catalogue of a province's size, written straight into a registry's database: the same one each time.

1,000 departments, 5,000 systems, 10,000 published resources with 200,000 items, 50,000 active grants.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, func, insert, inspect, select, text
from sqlalchemy.orm import Session
from stdnum.cn import uscc

from exchange.avro import record_schema
from exchange.contract import slug
from exchange.items import Item, ItemType
from registry.catalogue import directory
from registry.catalogue.entry import DETAILS
from registry.catalogue.models import Resource, ResourceLabel, ResourceVersion, ResourceWords
from registry.catalogue.words import label_keys, texts_of, words_of
from registry.database import Base, Database
from registry.migrate import migrate
from registry.organisation import divisions
from registry.organisation.models import Department, Division, System
from registry.schema_registry.domain import compact, fingerprint
from registry.schema_registry.models import Schema, SubjectVersion
from registry.schema_registry.store import subject_of
from registry.sharing.models import Grant, Request

DEPARTMENTS, SYSTEMS, RESOURCES, GRANTS = 1_000, 5_000, 10_000, 50_000
ITEMS_EACH = 20
AT_ONCE = 1_000  # rows of one statement
PROVINCE = "440000"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SEED = 7_440
CYCLES = ("realtime", "daily", "weekly", "monthly", "quarterly", "half_yearly", "yearly", "irregular")

OFFICES = (
    "发展和改革", "教育", "科学技术", "工业和信息化", "公安", "民政", "司法", "财政", "人力资源和社会保障",
    "自然资源", "生态环境", "住房和城乡建设", "交通运输", "水利", "农业农村", "商务", "文化广电旅游", "卫生健康",
    "应急管理", "市场监督管理", "统计", "医疗保障", "政务服务数据管理", "退役军人事务", "税务", "气象", "林业",
    "海关", "残疾人联合会",
)  # fmt: skip
SUBJECTS = (
    "常住人口", "出生登记", "死亡登记", "婚姻登记", "社会保险参保", "医疗保险缴费", "低保救助", "企业登记",
    "个体工商户登记", "行政许可", "行政处罚", "食品经营许可", "药品经营许可", "不动产登记", "建设用地规划",
    "施工许可", "房屋交易", "车辆登记", "驾驶证", "道路运输经营", "学籍", "教师资格", "学位证书", "执业医师",
    "医疗机构", "残疾人证", "排污许可", "空气质量监测", "水质监测", "安全生产检查", "特种设备", "信用评价", "纳税",
    "公积金缴存", "就业登记", "失业登记", "退役军人", "宗教场所", "地名地址", "河湖名录", "气象观测", "林地权属",
    "旅游企业", "演出许可", "电子证照", "投诉举报", "双随机检查", "统计指标",
)  # fmt: skip
LABELS = (
    "统一社会信用代码", "公民身份号码", "姓名", "性别", "民族", "出生日期", "户籍地址", "居住地址", "联系电话",
    "单位名称", "法定代表人", "注册资本", "成立日期", "经营范围", "登记机关", "登记状态", "行政区划代码",
    "许可证编号", "许可内容", "有效期起", "有效期止", "发证机关", "发证日期", "证书编号", "状态", "类别代码",
    "类别名称", "金额", "数量", "单位", "面积", "经度", "纬度", "所属街道", "所属社区", "负责人", "检查日期",
    "检查结果", "处罚决定书文号", "处罚事由", "处罚金额", "决定日期", "缴费年月", "缴费基数", "参保状态", "监测时间",
    "监测值", "监测点名称", "备注", "数据来源", "更新时间",
)  # fmt: skip
DATED = ("日期", "有效期起", "有效期止")
NUMERIC = ("金额", "数量", "面积", "资本", "基数", "经度", "纬度", "监测值")

Rows = Iterator[dict[str, Any]]


def fill(database: Database) -> None:
    """Bring an empty database to the newest migration and fill it. Errors: those of the database."""
    migrate(database)
    with database.write() as session:
        divisions.seed(session)
        directory.seed(session)
        province = _Province(random.Random(SEED), _divisions(session))  # the same catalogue each time
        for table, rows in province.tables():
            _insert(session.connection(), table, rows)
        _advance_numbers(session)
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("ANALYZE"))  # what autovacuum does within a minute


def items_of(chance: random.Random, count: int = ITEMS_EACH) -> tuple[Item, ...]:
    """Return the items of a resource: a key, then ``count`` - 1 others."""
    labels = chance.sample(LABELS, count - 1)
    key = Item("id", "主键编号", ItemType.TEXT, length=36, primary_key=True)
    return (key, *(_item(f"f{number:02}", label, chance) for number, label in enumerate(labels, 1)))


def _item(name: str, label: str, chance: random.Random) -> Item:
    made = Item(name, label, ItemType.TEXT, length=200, sensitivity=chance.choice((1, 1, 1, 2, 2, 3, 4)))
    if label.endswith(DATED):
        return replace(made, type=ItemType.DATE, length=None)
    if label.endswith(NUMERIC):
        return replace(made, type=ItemType.NUMBER, length=18, scale=2)
    return made


class _Province:
    """The rows of each table, parents first."""

    def __init__(self, chance: random.Random, places: Sequence[tuple[str, str]]) -> None:
        self.chance = chance
        self.places = places
        self.departments = [self._department(number) for number in range(1, DEPARTMENTS + 1)]
        self.systems = [self._system(number) for number in range(SYSTEMS)]
        self.drafts = [self._draft(number) for number in range(1, RESOURCES + 1)]
        self.pairs = self._pairs()

    def tables(self) -> Iterator[tuple[type[Base], Rows]]:
        yield Department, iter(self.departments)
        yield System, iter(self.systems)
        yield Resource, (row for row, _ in self.drafts)
        yield Schema, (self._schema(number, *draft) for number, draft in enumerate(self.drafts, 1))
        yield SubjectVersion, (self._subject(number, row) for number, (row, _) in enumerate(self.drafts, 1))
        yield ResourceVersion, (self._version(number, *draft) for number, draft in enumerate(self.drafts, 1))
        yield ResourceWords, (self._words(*draft) for draft in self.drafts)
        yield ResourceLabel, (row for draft in self.drafts for row in self._labels(*draft))
        yield Request, (self._request(number, *pair) for number, pair in enumerate(self.pairs, 1))
        yield Grant, (self._grant(number, *pair) for number, pair in enumerate(self.pairs, 1))

    def _department(self, number: int) -> dict[str, Any]:
        code, place = self.places[(number - 1) % len(self.places)]
        office = OFFICES[(number // len(self.places) * 7 + number) % len(OFFICES)]
        digits = f"11{code}{number:09d}"
        return {
            "id": number,
            "uscc": digits + uscc.calc_check_digit(digits + "0"),
            "name": f"{place}{office}局",
            "division": code,
        }

    def _system(self, number: int) -> dict[str, Any]:
        department = self.departments[number % DEPARTMENTS]
        return {
            "client_id": f"{department['division']}-s{number:05}",
            "department_id": department["id"],
            "name": f"{department['name']}业务系统{number // DEPARTMENTS + 1}",
            "active": True,
            "secret_sha256": f"{number:064x}",
            "created_at": EPOCH,
        }

    def _draft(self, number: int) -> tuple[dict[str, Any], tuple[Item, ...]]:
        system = self.systems[number % SYSTEMS]
        department = self.departments[system["department_id"] - 1]
        code = f"307{number % 29 + 1:03}{department['division']}/{number:06}"
        subject = self.chance.choice(SUBJECTS)
        kind = self.chance.choice((1, 2, 2, 2, 3))
        at = EPOCH + timedelta(minutes=number)
        row = {
            "slug": slug(code),
            "code": code,
            "name": f"{department['name']}{subject}信息",
            "summary": f"{department['name']}在履职过程中形成的{subject}信息，供相关部门核验与业务协同使用。",
            "department_id": department["id"],
            "source_system": system["client_id"],
            "sharing_type": kind,
            "sharing_condition": None if kind == 1 else "依据《政务数据共享条例》，用于行政管理与公共服务",
            "update_cycle": self.chance.choice(CYCLES),
            "classification": code.partition("/")[0],
            "sharing_method": None if kind == 3 else "platform",
            "last_data_at": self.chance.choice((None, at, at + timedelta(days=200), at + timedelta(days=325))),
            "partitions": 1,
            "topic": f"{PROVINCE}.{slug(code)}",
            "lifecycle": "published",
            "version": 1,
            "created_at": at,
            "published_at": at,
            "published_version": 1,
        }
        items = items_of(self.chance)
        row["level"] = max(item.sensitivity for item in items)
        return row, items

    def _words(self, row: dict[str, Any], items: tuple[Item, ...]) -> dict[str, Any]:
        names = [(item.name, item.label) for item in items]
        return {"slug": row["slug"], "words": words_of([row["code"], *texts_of(row, names)])}

    def _labels(self, row: dict[str, Any], items: tuple[Item, ...]) -> Rows:
        for label in sorted(label_keys(item.label for item in items)):
            yield {"label": label, "slug": row["slug"]}

    def _schema(self, number: int, row: dict[str, Any], items: tuple[Item, ...]) -> dict[str, Any]:
        schema = record_schema(row["slug"], items)
        return {
            "id": number,
            "sha256": fingerprint(schema),
            "text": compact(schema),
            "created_at": row["created_at"],
        }

    def _subject(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        return {
            "subject": subject_of(row["topic"]),
            "version": 1,
            "schema_id": number,
            "deleted": False,
            "created_at": row["created_at"],
        }

    def _version(self, number: int, row: dict[str, Any], items: tuple[Item, ...]) -> dict[str, Any]:
        return {
            "slug": row["slug"],
            "version": 1,
            "items": [item.as_json() for item in items],
            "details": {name: row[name] for name in DETAILS if name in row},
            "schema_id": number,
            "created_at": row["created_at"],
        }

    def _pairs(self) -> list[tuple[str, str]]:
        """Return the (client_id, slug) of each grant, all different."""
        shared = [row for row, _ in self.drafts if row["sharing_type"] != 3]  # 不予共享
        found: dict[tuple[str, str], None] = {}
        while len(found) < GRANTS:
            system, resource = self.chance.choice(self.systems), self.chance.choice(shared)
            if system["client_id"] != resource["source_system"]:
                found[system["client_id"], resource["slug"]] = None
        return list(found)

    def _request(self, number: int, client_id: str, resource: str) -> dict[str, Any]:
        at = EPOCH + timedelta(days=30, minutes=number)
        return {
            "id": number,
            "slug": resource,
            "client_id": client_id,
            "purpose": "collaboration",
            "legal_basis": "《政务数据共享条例》",
            "state": "approved",
            "requested_by": "province",
            "answered_by": "province",
            "created_at": at,
            "answered_at": at,
        }

    def _grant(self, number: int, client_id: str, resource: str) -> dict[str, Any]:
        return {
            "id": number,
            "request_id": number,
            "slug": resource,
            "client_id": client_id,
            "state": "active",
            "created_at": EPOCH + timedelta(days=30, minutes=number),
        }


def _divisions(session: Session) -> list[tuple[str, str]]:
    """Return code and name of the province's divisions, province and cities first."""
    mine = select(Division.code, Division.name).where(Division.code.startswith(PROVINCE[:2])).order_by(Division.code)
    found = [(code, name) for code, name in session.execute(mine)]
    return sorted(found, key=lambda place: (not place[0].endswith("00"), place[0]))


def _insert(connection: Connection, table: type[Base], rows: Rows) -> None:
    counter = inspect(table).version_id_col
    first = {} if counter is None else {counter.key: 1}
    while part := [{**first, **row} for row in islice(rows, AT_ONCE)]:
        connection.execute(insert(table), part)


def _advance_numbers(session: Session) -> None:
    """PostgreSQL's sequences do not notice numbers that were given; the next insert has to go on after them."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for table in (Department, Request, Grant):
        name = table.__tablename__
        session.execute(select(func.setval(func.pg_get_serial_sequence(name, "id"), func.max(table.id))))
