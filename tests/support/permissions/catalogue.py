"""The catalogue: what is published is everybody's to read; a draft is its department's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.permissions.matrix import NO_AUDITOR, Call, Row, Stage, nothing
from tests.support.registry_world import ITEMS

API = "/api/v1"
NOT_SEEN = {"system_admin": "--??", "security_admin": "????", "developer": "-???", "system": "-???"}
SEES = {
    "system_admin": "++??",
    "security_admin": "????",
    **dict.fromkeys(("department_admin", "data_owner", "developer", "system"), "+???"),
}
DESCRIBES = {**NOT_SEEN, "department_admin": "+???", "data_owner": "+???"}
DECIDES = {**NOT_SEEN, "department_admin": "+???", "data_owner": "-???"}
WHOLE = {"system_admin": "----+"}
HEADER = "信息资源名称,信息资源摘要,来源系统,共享类型,更新周期,信息项英文名,信息项名称,数据类型\n"


def draft(ending: str = "", body: Any = None) -> Callable[[Stage], Call]:
    return lambda stage: Call(f"{API}/resources/{stage.world.draft(stage.home)}{ending}", body)


def items(stage: Stage) -> Call:
    return draft("/items", {"items": [item.as_json() for item in ITEMS[:2]]})(stage)


def registered(stage: Stage) -> Call:
    body = {
        "classification": "307",
        "name": "矩阵",
        "summary": "测试",
        "source_system": stage.home.client_id,
        "sharing_type": 1,
        "update_cycle": "daily",
        "items": [item.as_json() for item in ITEMS],
    }
    return Call(f"{API}/resources", body)


def submitted(stage: Stage) -> Call:
    name = stage.world.draft(stage.home)
    stage.home.admin.post(f"resources/{name}/submit")
    return Call(f"{API}/resources/{name}/return", {"reason": "测试"})


def published(ending: str) -> Callable[[Stage], Call]:
    return lambda stage: Call(f"{API}/resources/{stage.world.resource(stage.home)}{ending}")


def classification(stage: Stage) -> Call:
    return Call(f"{API}/classifications/399{stage.number():04d}", {"en": "test", "zh": "测试"})


def unused_class(stage: Stage) -> Call:
    path = f"classifications/398{stage.number():04d}"
    assert stage.world.root.call("PUT", path, {"en": "test", "zh": "测试"}).is_success
    return Call(f"{API}/{path}")


def file(_stage: Stage) -> Call:
    octets = {"Content-Type": "application/octet-stream"}
    return Call(f"{API}/catalogue/import", params={"format": "csv"}, content=HEADER.encode(), headers=octets)


ROWS = [
    Row("POST", f"{API}/resources", registered, {"department_admin": "+---", "data_owner": "+---"}),
    Row("GET", f"{API}/resources", nothing(f"{API}/resources"), NO_AUDITOR),
    Row("GET", f"{API}/resources/{{resource}}", draft(), SEES),
    Row("PATCH", f"{API}/resources/{{resource}}", draft("", {"name": "新名"}), DESCRIBES),
    Row("DELETE", f"{API}/resources/{{resource}}", draft(), DESCRIBES),
    Row("GET", f"{API}/resources/{{resource}}/versions", draft("/versions"), SEES),
    Row("GET", f"{API}/resources/{{resource}}/diff", draft("/diff"), SEES),
    Row("GET", f"{API}/resources/{{resource}}/clashes", draft("/clashes"), SEES),
    Row("PUT", f"{API}/resources/{{resource}}/items", items, DESCRIBES),
    Row("POST", f"{API}/resources/{{resource}}/submit", draft("/submit"), DESCRIBES),
    Row("POST", f"{API}/resources/{{resource}}/return", submitted, DECIDES),
    Row("POST", f"{API}/resources/{{resource}}/publish", draft("/publish"), DECIDES),
    Row("POST", f"{API}/resources/{{resource}}/withdraw", published("/withdraw"), {"department_admin": "+---"}),
    Row("GET", f"{API}/resources/{{resource}}/contract", published("/contract"), NO_AUDITOR),
    Row("GET", f"{API}/codes", nothing(f"{API}/codes"), NO_AUDITOR),
    Row("GET", f"{API}/codes/{{table}}", nothing(f"{API}/codes/update_cycle"), NO_AUDITOR),
    Row("GET", f"{API}/classifications", nothing(f"{API}/classifications"), NO_AUDITOR),
    Row("GET", f"{API}/classifications/{{code}}", nothing(f"{API}/classifications/307"), NO_AUDITOR),
    Row("PUT", f"{API}/classifications/{{code}}", classification, WHOLE),
    Row("DELETE", f"{API}/classifications/{{code}}", unused_class, WHOLE),
    Row("GET", f"{API}/lists/{{kind}}", nothing(f"{API}/lists/duties"), NO_AUDITOR),
    Row("GET", f"{API}/lists/{{kind}}/export", nothing(f"{API}/lists/resources/export"), NO_AUDITOR),
    Row("GET", f"{API}/catalogue/export", nothing(f"{API}/catalogue/export"), NO_AUDITOR),
    Row("POST", f"{API}/catalogue/import", file, {"department_admin": "++++", "data_owner": "++++"}),
    Row("GET", f"{API}/catalogue/dcat", nothing(f"{API}/catalogue/dcat"), NO_AUDITOR),
]
