"""The layer table of docs/architecture.md, held against every import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/architecture.md"


def table() -> dict[str, set[str]]:
    """Each room of the page's table, with the rooms that it may import: itself, those named, and what they may."""
    rows = re.findall(r"^\| `([\w/]+)/` \|[^|]*\| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = {room.replace("/", "."): words for room, words in rows}
    return {room: reach(room, named) for room in named}


def reach(room: str, named: dict[str, str]) -> set[str]:
    if named[room] == "everything":
        return set(named)
    direct = {name.replace("/", ".") for name in re.findall(r"`([\w/]+)`", named[room])}
    return {room}.union(direct, *(reach(other, named) for other in direct))


MAY_IMPORT = table()
ROOMS = frozenset(MAY_IMPORT)


def room_of(module: str) -> str | None:
    """The innermost room of a module; None when it is not ours."""
    parts = module.split(".")
    return next((room for room in (".".join(parts[:2]), parts[0]) if room in ROOMS), None)


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences_of(module: str, imported: Iterator[str] | list[str]) -> list[str]:
    own = room_of(module)
    assert own is not None
    return [name for name in imported if (room := room_of(name)) and room not in MAY_IMPORT[own]]


def sources() -> list[Path]:
    return sorted(
        path for top in ("schemas", "exchange", "adapters", "registry") for path in (ROOT / top).rglob("*.py")
    )


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_every_import_obeys_the_layer_table() -> None:
    found = {module_of(path): offences_of(module_of(path), imports_of(path)) for path in sources()}
    assert len(found) > 20
    assert {module: names for module, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("exchange.publisher", "registry.sharing.domain"),
        ("exchange.codec", "exchange.node.service"),
        ("exchange.node.service", "exchange.cli.output"),
        ("adapters.engine", "registry.web.api"),
        ("registry.access.tokens", "adapters.protocol"),
        ("schemas.base", "exchange.text"),
    ],
)
def test_a_forbidden_import_is_found(module: str, imported: str) -> None:
    assert offences_of(module, [imported]) == [imported]


def test_the_table_is_read_from_the_page() -> None:
    assert {"schemas", "exchange", "exchange.node", "exchange.cli", "adapters", "registry"} <= ROOMS
    assert MAY_IMPORT["exchange.node"] == {"exchange.node", "exchange", "schemas"}


def test_packages_hold_no_code_in_their_init() -> None:
    for path in sources():
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert [node for node in body if not is_export(node)] == [], path


def is_export(node: ast.stmt) -> bool:
    """Whether a statement only names what a package offers."""
    names = node.targets if isinstance(node, ast.Assign) else []
    return isinstance(node, ast.Expr | ast.ImportFrom) or [ast.unparse(name) for name in names] == ["__all__"]


FRAMEWORKS = {"fastapi", "sqlalchemy", "confluent_kafka", "starlette", "httpx"}


def test_decisions_import_no_framework() -> None:
    domains = sorted((ROOT / "registry").rglob("domain.py"))
    assert domains
    for path in domains:
        assert not {name.split(".")[0] for name in imports_of(path)} & FRAMEWORKS, path
