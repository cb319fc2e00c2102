"""Files of resources: what goes out comes in again, every faulty cell is named, and hostile files do no harm."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from tests.support.registry_world import ITEMS, Office, Person, World, good, world

HEADER = [
    "信息资源代码", "所属分类", "信息资源名称", "信息资源摘要", "来源系统", "共享类型", "共享条件", "更新周期",
    "信息项英文名", "信息项名称", "数据类型", "数据长度", "是否主键", "敏感级别",
]  # fmt: skip
Rows = list[list[Any]]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("files")) as made:
        yield made


@pytest.fixture
def owner(here: World) -> Office:
    return here.office()


def send(who: Person, data: bytes, form: str = "xlsx", lang: str = "zh", **params: Any) -> Any:
    headers = {
        "Authorization": f"Bearer {who.token}",
        "Content-Type": "application/octet-stream",
        "Accept-Language": lang,
    }
    path = "/api/v1/catalogue/import"
    return who.http.request("POST", path, content=data, params={"format": form, **params}, headers=headers)


def fetch(who: Person, path: str, **params: Any) -> bytes:
    headers = {"Authorization": f"Bearer {who.token}", "Accept-Language": "zh"}
    answer = who.http.request("GET", f"/api/v1/{path}", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return bytes(answer.content)


def xlsx(rows: Rows) -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "目录"
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def people(owner: Office, name: str = "常住人口") -> Rows:
    first = [None, "101", name, "在本省常住的人口", owner.client_id, "有条件共享", "仅用于公共服务", "每日"]
    blank = [None] * len(first)
    return [
        [*first, "gmsfhm", "公民身份号码", "C", 18, "是", 4],
        [*blank, "xm", "姓名", "字符型", 50, None, "较敏感"],
        [*blank, "csrq", "出生日期", "日期型", None, "否", 3],
    ]


def test_resources_come_from_a_workbook_and_go_back_into_one(owner: Office) -> None:
    report = good(send(owner.admin, xlsx([HEADER, *people(owner), *people(owner, "死亡人口")])))
    assert (report["applied"], len(report["added"]), report["fault_count"]) == (True, 2, 0)
    made = owner.admin.get(f"resources/{report['added'][0]}")
    assert (made["name"], made["sharing_type"], made["update_cycle"], made["level"]) == ("常住人口", 2, "daily", 4)
    assert [(item["name"], item["type"], item["primary_key"]) for item in made["items"]] == [
        ("gmsfhm", "C", True), ("xm", "C", False), ("csrq", "D", False),
    ]  # fmt: skip
    for form in ("xlsx", "csv"):
        file = fetch(owner.admin, "catalogue/export", format=form, department=owner.id)
        again = good(send(owner.admin, file, form))
        assert (sorted(again["unchanged"]), again["fault_count"]) == (sorted(report["added"]), 0), form
    changed = load_workbook(io.BytesIO(fetch(owner.admin, "catalogue/export", department=owner.id)))
    sheet = changed.worksheets[0]
    place = [cell.value for cell in sheet[1]].index("更新周期") + 1
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, place).value = "每月"
    out = io.BytesIO()
    changed.save(out)
    assert sorted(good(send(owner.admin, out.getvalue()))["changed"]) == sorted(report["added"])
    assert owner.admin.get(f"resources/{report['added'][1]}")["update_cycle"] == "monthly"


def test_every_faulty_cell_is_named_and_nothing_is_kept(here: World, owner: Office) -> None:
    rows = people(owner)
    rows[0][5] = "大概共享"  # F2
    rows[1][10] = "Z"  # K3
    rows[2][11] = "很长"  # L4
    other = people(owner, "又一资源")
    other[0][4] = here.office().client_id  # E5: another department's system
    third = people(owner, "第三资源")
    third[0][3] = None  # D8
    third[1][8] = "Name!"  # I9: found by the catalogue, told at the resource
    sound = people(owner, "无误资源")
    data = xlsx([HEADER, *rows, *other, *third, *sound])
    report = good(send(owner.admin, data))
    cells = {f"{fault['column']}{fault['row']}": (fault["header"], fault["reason"]) for fault in report["faults"]}
    assert set(cells) == {"F2", "K3", "L4", "C5", "D8"}
    assert cells["F2"] == ("共享类型", "应为：无条件共享、有条件共享、不予共享")
    assert cells["L4"] == ("数据长度", "应为整数")
    assert cells["D8"] == ("信息资源摘要", "必填")
    assert "无权操作" in cells["C5"][1]
    assert {fault["sheet"] for fault in report["faults"]} == {"目录"}
    assert (report["applied"], report["refused"]) == (False, 3)
    assert owner.admin.get("resources", department=owner.id)["items"] == [], "all or nothing"
    english = good(send(owner.admin, data, lang="en"))
    assert english["faults"][0]["reason"] == "one of: unconditional, conditional, not shared"
    partly = good(send(owner.admin, data, partly=True))
    assert (partly["applied"], len(partly["added"]), partly["refused"]) == (True, 1, 3)
    assert [row["name"] for row in owner.admin.get("resources", department=owner.id)["items"]] == ["无误资源"]
    assert good(send(owner.admin, xlsx([HEADER, *people(owner, "只检查")]), trial=True))["applied"] is False
    assert len(owner.admin.get("resources", department=owner.id)["items"]) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_csv_in_the_encodings_that_offices_use(owner: Office, encoding: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([HEADER, *people(owner, f"人口{encoding}")])
    report = good(send(owner.admin, out.getvalue().encode(encoding), "csv"))
    assert (report["applied"], len(report["added"])) == (True, 1), report


def test_no_cell_of_an_export_is_a_formula(owner: Office) -> None:
    name = '=HYPERLINK("http://evil.example","x")'
    rows = people(owner)
    rows[0][2], rows[0][3] = "表达式", "+1"
    report = good(send(owner.admin, xlsx([HEADER, *rows])))
    resource = report["added"][0]
    assert good(owner.admin.call("PATCH", f"resources/{resource}", {"name": name}))["name"] == name
    text = fetch(owner.admin, "catalogue/export", format="csv", department=owner.id).decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text)))
    assert not [cell for line in lines for cell in line if cell.startswith(("=", "+", "@"))]
    book = load_workbook(io.BytesIO(fetch(owner.admin, "catalogue/export", department=owner.id)))
    assert not [cell for row in book.worksheets[0] for cell in row if cell.data_type == "f"]
    assert good(send(owner.admin, text.encode(), "csv"))["unchanged"] == [resource], "and it comes back as it was"


def test_hostile_files_are_refused(owner: Office) -> None:
    formula = people(owner)
    formula[0][3] = "=1+1"
    report = good(send(owner.admin, xlsx([HEADER, *formula])))
    assert [(fault["column"], fault["row"]) for fault in report["faults"]] == [("D", 2)]
    assert "公式" in report["faults"][0]["reason"]

    def status(data: bytes, form: str = "xlsx") -> tuple[int, str]:
        answer = send(owner.admin, data, form)
        return answer.status_code, answer.json().get("code", "")

    assert status(b"") == (422, "invalid")
    assert status(b"not a workbook") == (422, "invalid")
    assert status(packed({"a.txt": b"x"})) == (422, "invalid")
    assert status(packed({"xl/worksheets/sheet1.xml": b"0" * (80 << 20)})) == (413, "too_large"), "a bomb"
    assert status(packed({f"{number}": b"" for number in range(300)})) == (413, "too_large")
    assert status(entities()) == (422, "invalid"), "entities are not expanded"
    assert status(b"\xff\xff\xff", "csv") == (422, "invalid")
    assert status(b'"a\nb', "csv") == (422, "invalid")
    assert status(",".join(HEADER[:3]).encode(), "csv") == (422, "invalid"), "columns are missing"
    assert status(b"x," * 200, "csv") == (422, "invalid")
    assert status(b"x" * ((16 << 20) + 1), "csv") == (413, "too_large")
    assert status((",".join(HEADER) + "\n" + "a\n" * 50_001).encode(), "csv") == (422, "invalid"), "too many rows"


def test_the_lists_are_workbooks_too(here: World, owner: Office) -> None:
    name = here.resource(owner, ITEMS, name="清单资源")
    for kind in ("resources", "duties", "demands"):
        book = load_workbook(io.BytesIO(fetch(owner.admin, f"lists/{kind}/export", department=owner.id)))
        rows = [[cell.value for cell in row] for row in book.worksheets[0]]
        assert "信息资源名称" in rows[0]
        assert len(rows) == (1 if kind == "demands" else 2), name


def packed(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for path, data in parts.items():
            package.writestr(path, data)
    return out.getvalue()


def entities() -> bytes:
    """A workbook with a billion laughs."""
    bomb = (
        '<!DOCTYPE a [<!ENTITY a "lol">'
        + "".join(
            f'<!ENTITY {name} "{"&" + before + ";" + "&" + before + ";"}">'
            for before, name in zip("abcdefgh", "bcdefghi", strict=True)
        )
        + "]>"
    )
    source = zipfile.ZipFile(io.BytesIO(xlsx([HEADER, ["laughs"] * len(HEADER)])))
    parts = {part: source.read(part) for part in source.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].decode()
    parts["xl/worksheets/sheet1.xml"] = (bomb + sheet.replace("laughs", "&i;")).encode()
    return packed(parts)
