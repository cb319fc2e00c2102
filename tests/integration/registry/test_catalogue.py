"""The catalogue on both databases: obligations, codes, life, differences, clashes, search, lists, DCAT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exchange.items import Item, ItemType
from registry.catalogue.freshness import data_came
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import ITEMS, Office, World, good, world

PEOPLE = (
    Item("gmsfhm", "公民身份号码", ItemType.TEXT, length=18, primary_key=True, sensitivity=4),
    Item("xm", "姓名", ItemType.TEXT, length=50, sensitivity=3),
    Item("csrq", "出生日期", ItemType.DATE, sensitivity=3),
    Item("hjdz", "户籍地址", ItemType.TEXT, length=200, sensitivity=4),
    Item("gxsj", "更新时间", ItemType.INSTANT),
)


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url) as made:
        yield made


def status(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def body(owner: Office, **more: Any) -> dict[str, Any]:
    return {
        "classification": "101",
        "name": "常住人口信息",
        "summary": "在本省常住的人口",
        "source_system": owner.client_id,
        "sharing_type": 2,
        "sharing_condition": "仅用于公共服务",
        "update_cycle": "daily",
        "items": [item.as_json() for item in PEOPLE],
        **more,
    }


def names(here: World, who: Any = None, **wanted: Any) -> list[str]:
    return [row["name"] for row in (who or here.root).get("resources", limit=500, **wanted)["items"]]


def test_an_entry_has_every_item_of_the_guide(here: World) -> None:
    owner = here.office()
    made = owner.admin.post("resources", body(owner, related=["307440000/000001"], service_items=["出生医学证明"]))
    assert (made["code"], made["classification"], made["resource"]) == ("101000/000001", "101000", "101000-000001")
    assert (made["provider_code"][:8], made["department"][:6]) == ("11440000", "office")
    assert (made["sharing_method"], made["format_kind"], made["level"]) == ("platform", "database", 4)
    assert (made["lifecycle"], made["freshness"], made["warnings"]) == ("draft", "never", [])
    assert owner.admin.post("resources", body(owner))["code"] == "101000/000002", "the next number of the class"
    here.root.call("PUT", "classifications/101019", {"en": "residents", "zh": "常住人口"})
    assert owner.admin.post("resources", body(owner, classification="101019"))["code"] == "101019/000001"
    refused = owner.admin.post("resources", body(owner, sharing_type=3, sharing_condition="《某法》第三条"))
    assert refused["sharing_method"] is None, "what is not shared has no way of sharing"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"sharing_condition": None}, "sharing_condition"),
    ({"sharing_type": 3, "sharing_condition": None}, "sharing_condition"),
    ({"format_kind": "paper"}, "format_kind"),
    ({"format_kind": "image", "format_type": "mysql"}, "format_type"),
    ({"sharing_method": "pigeon"}, "sharing_method"),
    ({"related": ["nonsense"]}, "related"),
    ({"load": "incremental"}, "timestamp_column"),
    ({"timestamp_column": "nothing"}, "timestamp_column"),
    ({"classification": None}, "code"),
    ({"code": "407440000/000001"}, "code"),
    ({"items": [ITEMS[1].as_json()]}, "items"),
    ({"update_cycle": "sometimes"}, "update_cycle"),
]


def test_what_an_entry_owes_is_named(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        owner = here.office()
        for wrong, field in WRONG:
            answer = owner.admin.call("POST", "resources", body(owner, **wrong))
            assert status(answer) == (422, "invalid"), wrong
            assert field in answer.json()["message"]


def test_a_draft_goes_without_a_trace_but_the_audits(here: World) -> None:
    owner, other = here.office(), here.office()
    name = owner.admin.post("resources", body(owner))["resource"]
    good(owner.admin.call("PATCH", f"resources/{name}", {"items": [item.as_json() for item in PEOPLE[:3]]}))
    assert other.admin.call("DELETE", f"resources/{name}").status_code == 404, "a draft is its own"
    owner.admin.post(f"resources/{name}/submit")
    assert status(owner.admin.call("DELETE", f"resources/{name}")) == (409, "wrong_state"), "it is being decided on"
    owner.admin.post(f"resources/{name}/return", {"reason": "重复"})
    assert owner.admin.call("DELETE", f"resources/{name}").status_code == 204
    assert status(owner.admin.call("GET", f"resources/{name}")) == (404, "not_found")
    assert names(here, owner.admin, q="常住人口") == []
    assert owner.admin.post("resources", body(other, source_system=owner.client_id))["resource"] == name, "free again"
    told = [entry["action"] for entry in here.auditor.get("audit/entries", target=f"resource/{name}")["items"]]
    assert told.count("resource.remove") == 1

    owner.admin.post(f"resources/{name}/publish")
    assert status(owner.admin.call("DELETE", f"resources/{name}")) == (409, "wrong_state")
    owner.admin.post(f"resources/{name}/withdraw")
    assert status(owner.admin.call("DELETE", f"resources/{name}")) == (409, "wrong_state"), "it was published"


def test_a_resource_lives_through_all_its_states(here: World) -> None:
    owner, other = here.office(), here.office("440600")
    data_owner = here.person("clerk", "data_owner", department_id=owner.id)
    name = data_owner.post("resources", body(owner))["resource"]
    assert status(other.admin.call("POST", f"resources/{name}/submit")) == (404, "not_found"), "a draft is its own"
    assert data_owner.post(f"resources/{name}/submit")["lifecycle"] == "submitted"
    assert status(other.admin.call("GET", f"resources/{name}")) == (404, "not_found")
    assert status(data_owner.call("POST", f"resources/{name}/publish")) == (403, "forbidden"), "its administrator does"
    back = owner.admin.post(f"resources/{name}/return", {"reason": "请补充摘要"})
    assert (back["lifecycle"], back["note"]) == ("draft", "请补充摘要")
    good(data_owner.call("PATCH", f"resources/{name}", {"summary": "在本省常住半年以上的人口"}))
    data_owner.post(f"resources/{name}/submit")
    published = owner.admin.post(f"resources/{name}/publish")
    assert (published["lifecycle"], published["version"], published["note"]) == ("published", 2, None)
    assert status(owner.admin.call("POST", f"resources/{name}/publish")) == (409, "wrong_state"), "nothing to publish"
    changed = good(data_owner.call("PATCH", f"resources/{name}", {"update_cycle": "weekly"}))
    assert (changed["lifecycle"], changed["version"]) == ("changed", 3)
    assert other.system.get(f"resources/{name}/contract")["version"] == 3, "it is live all the while"
    assert names(here, lifecycle="changed") == ["常住人口信息"]
    assert names(here, lifecycle="published") == []
    assert owner.admin.post(f"resources/{name}/publish")["lifecycle"] == "published"
    assert owner.admin.post(f"resources/{name}/withdraw")["lifecycle"] == "withdrawn"
    assert status(owner.admin.call("PATCH", f"resources/{name}", {"name": "又一名"})) == (409, "wrong_state")


def test_two_versions_are_told_apart_in_words(here: World) -> None:
    owner = here.office()
    name = owner.admin.post("resources", body(owner))["resource"]
    items = [
        *PEOPLE[:1],
        replace(PEOPLE[1], sensitivity=2),
        *PEOPLE[3:],
        Item("lxdh", "电话", ItemType.TEXT, length=20),
    ]
    change = {"update_cycle": "monthly", "open": True, "items": [item.as_json() for item in items]}
    assert good(owner.admin.call("PATCH", f"resources/{name}", change))["version"] == 2
    same = good(owner.admin.call("PATCH", f"resources/{name}", change))
    assert same["version"] == 2, "the same again is no version"
    headers = {"Authorization": f"Bearer {owner.admin.token}", "Accept-Language": "zh-CN"}
    chinese = good(here.http.get(f"/api/v1/resources/{name}/diff", headers=headers))
    assert (chinese["before"], chinese["after"]) == (1, 2)
    assert [change["text"] for change in chinese["changes"]] == [
        "更新周期由“每日”改为“每月”",
        "是否向社会开放由“否”改为“是”",
        "删除信息项 csrq ：出生日期",
        "新增信息项 lxdh ：电话",
        "信息项 xm 的敏感级别由“较敏感”改为“低敏感”",
    ]
    english = owner.admin.get(f"resources/{name}/diff", before=1, after=2)["changes"]
    assert english[0]["text"] == "update cycle: daily became monthly"
    assert english[2] == {**english[2], "kind": "removed", "item": "csrq", "after": None}


def test_another_department_with_the_same_items_is_warned(here: World) -> None:
    first, second = here.office(), here.office("440600")
    name = first.admin.post("resources", body(first))["resource"]
    labels = ("居民身份证号码", "人员姓名", "出生年月日", "户口所在地", "操作时间")
    copied = [replace(item, label=label) for item, label in zip(PEOPLE, labels, strict=True)]
    again = {"name": "居民底册", "items": [item.as_json() for item in copied]}
    assert second.admin.post("resources", body(second, **again))["warnings"] == [], "a draft is not told to others"
    first.admin.post(f"resources/{name}/publish")
    warned = second.admin.post("resources", body(second, **again))["warnings"]
    assert [(each["resource"], each["similarity"]) for each in warned] == [(name, 1.0)]
    assert name in warned[0]["message"]
    assert first.admin.post("resources", body(first, **again))["warnings"] == [], "one's own is no clash"
    other = [replace(item, label=f"指标{number}") for number, item in enumerate(PEOPLE)]
    assert second.admin.post("resources", body(second, items=[i.as_json() for i in other]))["warnings"] == []


def test_the_catalogue_is_searched_in_chinese(here: World) -> None:
    province, county = here.office("440000"), here.office("440604", "chancheng")
    here.resource(province, PEOPLE, name="常住人口信息", summary="户籍与居住", sharing_type=1)
    here.resource(county, ITEMS, name="企业登记ＡＢＣ", summary="法人100%登记_情况", update_cycle="yearly")
    here.draft(county, name="未发布的人口草稿")
    found = {
        "人口": ["常住人口信息"],  # two characters
        "口": ["常住人口信息"],  # one
        "常住人口": ["常住人口信息"],
        "公民身份号码": ["常住人口信息"],  # a label
        "gmsfhm 人口": ["常住人口信息"],  # both terms
        "人口 企业登记": [],
        "abc": ["企业登记ＡＢＣ"],  # full width, and case
        "企业登记": ["企业登记ＡＢＣ"],
        "100%": ["企业登记ＡＢＣ"],
        "1%0": [],
        "登记_情况": ["企业登记ＡＢＣ"],
        "登记x情况": [],
        "chancheng": ["企业登记ＡＢＣ"],  # its department
        '"': [],
        '登记" OR "人口': [],
        "'; DROP TABLE resources; --": [],
    }
    assert {q: names(here, province.admin, q=q) for q in found} == found
    assert names(here, county.admin, q="人口草稿") == ["未发布的人口草稿"], "one's own drafts are found"
    filters: list[tuple[dict[str, Any], list[str]]] = [
        ({"tier": "county"}, ["企业登记ＡＢＣ"]),
        ({"tier": "province"}, ["常住人口信息"]),
        ({"division": "440600"}, ["企业登记ＡＢＣ"]),
        ({"department": province.id}, ["常住人口信息"]),
        ({"level": 4}, ["常住人口信息"]),
        ({"sharing_type": 1}, ["常住人口信息"]),
        ({"classification": "3074", "sort": "name"}, ["企业登记ＡＢＣ", "常住人口信息"]),
        ({"classification": "1"}, []),
        ({"freshness": "never", "level": 1}, ["企业登记ＡＢＣ"]),
        ({"open": "true"}, []),
    ]
    for wanted, expected in filters:
        assert sorted(names(here, province.admin, **wanted)) == sorted(expected), wanted


def test_what_is_found_follows_what_is_changed(here: World) -> None:
    owner = here.office()
    name = here.draft(owner, name="旧名称资源")
    good(owner.admin.call("PATCH", f"resources/{name}", {"name": "新名称资源"}))
    assert names(here, owner.admin, q="新名称") == ["新名称资源"]
    assert names(here, owner.admin, q="旧名称") == []


def test_pages_are_whole_in_every_order(here: World) -> None:
    owner = here.office()
    made = [here.resource(owner, name=f"资源{number % 2}") for number in range(4)] + [here.draft(owner)]
    for sort in ("code", "-code", "name", "-name", "published_at", "-published_at", "-last_data_at"):
        pages_are_whole(owner, made, sort)
    assert status(owner.admin.call("GET", "resources", sort="secret")) == (422, "invalid")


def pages_are_whole(owner: Office, made: list[str], sort: str) -> None:
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = owner.admin.get("resources", sort=sort, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(row["resource"] for row in seen) == sorted(made)
    field = sort.removeprefix("-")
    if field in ("code", "name"):
        values = [row[field] for row in seen]
        assert values == sorted(values, reverse=sort.startswith("-"))
    first = owner.admin.get("resources", sort=sort, limit=2)["next"]
    other = "-name" if sort == "name" else "name"
    assert status(owner.admin.call("GET", "resources", sort=other, cursor=first)) == (422, "invalid")


def test_freshness_is_data_against_the_promised_cycle(here: World) -> None:
    owner = here.office()
    weekly = here.resource(owner, name="每周", update_cycle="weekly")
    here.resource(owner, name="不定时", update_cycle="irregular")
    topic = owner.admin.get(f"resources/{weekly}")["topic"]
    now = here.clock()
    with here.runtime.database.write() as session:
        data_came(session, weekly, topic, owner.client_id, now)
        data_came(session, weekly, topic, owner.client_id, now - timedelta(days=3))  # time does not go back
        data_came(session, weekly, topic, "440000-somebody-else", now + timedelta(days=3))
    assert names(here, freshness="fresh") == ["每周"]
    assert names(here, freshness="never") == ["不定时"]
    here.clock.ahead = timedelta(days=9)
    late = here.user(owner.admin.name, owner.admin.secret)
    assert names(here, late, freshness="fresh") == []
    assert names(here, late, freshness="stale") == ["每周"]
    assert late.get(f"resources/{weekly}")["freshness"] == "stale"


def test_the_three_lists(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    name = here.resource(owner, name="常住人口信息")
    here.draft(owner, name="草稿")
    asked = here.request(city, name)
    resources = city.admin.get("lists/resources")
    assert [row["name"] for row in resources["items"]] == ["常住人口信息"]
    assert resources["columns"]["code"] == "code"
    demands = city.admin.get("lists/demands")["items"]
    assert [(row["number"], row["client_id"], row["state"]) for row in demands] == [
        (asked["id"], city.client_id, "waiting")
    ]
    assert here.office("440700").admin.get("lists/demands")["items"] == [], "strangers see no requests"
    duties = owner.admin.get("lists/duties", department=owner.id)["items"]
    assert [(row["waiting"], row["freshness"]) for row in duties] == [(1, "never")]
    assert city.admin.get("lists/duties", department=city.id)["items"] == []
    assert status(city.admin.call("GET", "lists/nothing")) == (422, "invalid")


def test_code_tables_and_the_directory_tree(here: World) -> None:
    office = here.office()
    tables = {table["name"]: table for table in office.admin.get("codes")}
    assert [code["zh"] for code in tables["sharing_type"]["codes"]] == ["无条件共享", "有条件共享", "不予共享"]
    assert office.admin.get("codes/update_cycle")["codes"][0] == {
        "code": "realtime",
        "en": "real time",
        "zh": "实时",
        "of": None,
    }
    assert status(office.admin.call("GET", "codes/nothing")) == (404, "not_found")
    roots = [row["zh"] for row in office.admin.get("classifications", limit=500)["items"] if row["parent"] is None]
    assert roots == ["基础信息资源", "主题信息资源", "部门信息资源"]
    form = {"en": "villages", "zh": "村居"}
    assert status(office.admin.call("PUT", "classifications/306001", form)) == (403, "forbidden")
    assert good(here.root.call("PUT", "classifications/306001", form))["parent"] == "306"
    assert status(here.root.call("DELETE", "classifications/306")) == (409, "conflict"), "a class is in it"
    office.admin.post("resources", body(office, classification="306001"))
    assert status(here.root.call("DELETE", "classifications/306001")) == (409, "conflict"), "a resource is in it"
    assert here.root.call("DELETE", "classifications/325").status_code == 204
    assert status(here.root.call("DELETE", "classifications/3")) == (409, "conflict")
    assert status(here.root.call("PUT", "classifications/9", form)) == (422, "invalid")


def test_the_published_catalogue_is_dcat(here: World) -> None:
    owner = here.office()
    name = here.resource(owner, name="常住人口信息", update_cycle="monthly")
    here.resource(owner)
    here.draft(owner)
    headers = {"Authorization": f"Bearer {owner.admin.token}"}
    answer = here.http.get("/api/v1/catalogue/dcat?limit=1", headers=headers)
    assert answer.headers["content-type"] == "application/ld+json"
    document = answer.json()
    (dataset,) = document["dcat:dataset"]
    assert (document["@type"], dataset["@type"]) == ("dcat:Catalog", "dcat:Dataset")
    assert dataset["@id"] == f"urn:exchange:resource:{name}"
    assert dataset["dct:accrualPeriodicity"]["@id"].endswith("/MONTHLY")
    assert dataset["dct:publisher"]["foaf:name"]["@value"].startswith("office ")
    assert dataset["dcat:distribution"][0]["dct:title"] == f"440000.{name}"
    following = here.http.get(answer.links["next"]["url"], headers=headers)
    assert len(following.json()["dcat:dataset"]) == 1
    assert "next" not in following.links
