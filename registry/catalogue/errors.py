"""What the catalogue alone refuses."""

from __future__ import annotations

from exchange.text import Text
from registry.errors import RegistryError


class NoTrigrams(RegistryError):
    """PostgreSQL cannot make the extension that the search needs."""

    code = "no_trigrams"
    text = Text(
        "The database has no extension pg_trgm, and it could not be made: {reason}",
        "数据库没有 pg_trgm 扩展，且无法创建：{reason}",
    )
    hint = Text(
        "Install PostgreSQL's contrib package; then, as the database's owner: CREATE EXTENSION pg_trgm;",
        "请安装 PostgreSQL 的 contrib 包，再以数据库属主执行：CREATE EXTENSION pg_trgm;",
    )
