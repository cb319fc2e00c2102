"""``exchange catalog`` against a real node: a resource from a base library to its withdrawal, and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.test_organisation_commands import Terminal
from tests.support.catalogue import Catalogue, Office
from tests.support.node import RunningNode


def login(office: Office) -> dict[str, Any]:
    form = office.admin._http._login.form
    url = office.registry.url
    return {
        "EXCHANGE_LOGIN_URL": url,
        "EXCHANGE_LOGIN_USER": form["username"],
        "EXCHANGE_LOGIN_PASSWORD": form["password"],
    }


def test_a_department_works_with_its_catalogue(node: RunningNode, tmp_path: Path) -> None:
    office = Catalogue(node).office("population")
    terminal, me = Terminal(tmp_path), login(office)
    made = terminal.json("catalog", "base", "rk", "--source", office.client_id, **me)
    code = made["code"]
    assert code.startswith("101000/")
    assert terminal.json("catalog", "submit", code, **me)["lifecycle"] == "submitted"
    assert terminal.json("catalog", "return", code, "--reason", "again", **me)["note"] == "again"
    published = terminal.json("catalog", "publish", code, **me)
    assert (published["lifecycle"], published["enforced"]) == ("published", True)
    assert "公民身份号码" in terminal.run("catalog", "show", code, **me)
    found = terminal.json("catalog", "search", "公民身份号码 人口", "--level", "4", "--limit", "500", **me)
    assert code in [row["code"] for row in found]
    assert terminal.json("catalog", "diff", code, **me) == []
    assert "实时" in terminal.run("catalog", "codes", "update_cycle", **me)
    assert "人口" in terminal.run("catalog", "tree", "1", **me)

    file = tmp_path / "mine.csv"
    department = str(published["department_id"])
    terminal.run("catalog", "export", str(file), "--department", department, **me)
    assert terminal.json("catalog", "import", str(file), **me)["unchanged"] == [published["resource"]]
    file.write_text(file.read_text("utf-8-sig").replace("daily", "each second"), "utf-8")
    assert "cells are faulty" in terminal.run("catalog", "import", str(file), code=5, **me)
    assert "expected .xlsx, .csv" in terminal.run("catalog", "import", str(tmp_path / "x.doc"), code=2, **me)

    terminal.run(
        "catalog", "lists", "duties", "--file", str(tmp_path / "duties.xlsx"), "--department", department, **me
    )
    assert (tmp_path / "duties.xlsx").read_bytes()[:2] == b"PK"
    terminal.run("catalog", "dcat", str(tmp_path / "all.jsonld"), **me)
    datasets = json.loads((tmp_path / "all.jsonld").read_text("utf-8"))["dcat:dataset"]
    assert code in [dataset["dct:identifier"] for dataset in datasets]
    assert terminal.json("catalog", "withdraw", code, **me)["lifecycle"] == "withdrawn"
    assert "no resource" in terminal.run("catalog", "show", "101000/999999", code=4, **me)

    draft = terminal.json("catalog", "base", "rk", "--source", office.client_id, **me)["code"]
    assert isinstance(terminal.json("catalog", "clashes", draft, **me), list)
    terminal.run("catalog", "remove", draft, **me)
    assert "no resource" in terminal.run("catalog", "show", draft, code=4, **me)
    terminal.run("catalog", "remove", code, code=4, **me)


def test_an_administrator_arranges_tree_authorities_and_webhooks(node: RunningNode, tmp_path: Path) -> None:
    office = Catalogue(node).office("arranged", "440608")
    terminal = Terminal(tmp_path)
    root: dict[str, Any] = {
        "EXCHANGE_LOGIN_URL": node.registry_url,
        "EXCHANGE_LOGIN_USER": "admin",
        "EXCHANGE_LOGIN_PASSWORD": node.passwords["admin"],
    }
    assert terminal.json("catalog", "classify", "3950001", "--en", "Test", "--zh", "测试类", **root)["zh"] == "测试类"
    assert "测试类" in terminal.run("catalog", "tree", "3", **root)
    terminal.run("catalog", "unclassify", "3950001", **root)
    assert "测试类" not in terminal.run("catalog", "tree", "3", **root)

    department = str(terminal.json("whoami", **login(office))["department_id"])
    assert terminal.json("org", "set-authority", "440608", department, **root)["division"] == "440608"
    assert "440608" in [row["division"] for row in terminal.json("org", "authorities", **root)]
    terminal.run("org", "end-authority", "440608", **root)
    assert "440608" not in [row["division"] for row in terminal.json("org", "authorities", **root)]

    me, url = login(office), "https://notices.example.org/exchange"
    told = tmp_path / "webhook.secret"
    terminal.run("system", "set-webhook", office.client_id, url, "--secret-file", str(told), **me)
    assert len(told.read_text()) > 20
    assert url in terminal.run("system", "webhook", office.client_id, **me)
    terminal.run("system", "end-webhook", office.client_id, **me)
    assert "webhook" in terminal.run("system", "webhook", office.client_id, code=4, **me)
    assert terminal.json("difference", "list", **me) == []
    assert isinstance(terminal.json("notice", "list", **me), list)
