"""What is peculiar to MariaDB and MySQL: their session, their driver's values, their errors and their tables.

A TIMESTAMP column is an instant: the session runs in UTC and its values get that zone. A DATETIME names no zone, as
elsewhere. A date such as 0000-00-00, which no date is, stays text: the item's type then rejects it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions, convert_datetime
from sqlalchemy import Connection, text

from exchange.text import Text

NAMES = frozenset({"mysql", "mariadb"})
DRIVER = "mysql+pymysql"
LOCK_TIMEOUT_S = 30
SLOW_READER_S = 3600  # the server cuts who does not read on; we do not while the broker is away or slow
STRICT = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
SESSION = (
    f"SET SESSION time_zone = '+00:00', sql_mode = '{STRICT}', "
    f"innodb_lock_wait_timeout = {LOCK_TIMEOUT_S}, net_write_timeout = {SLOW_READER_S}"
)

# Numbers of errors that waiting can cure.
AWAY = frozenset({2002, 2003, 2006, 2013, 2055, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927})
BUSY = frozenset({1040, 1203, 1226, 1205, 1213, 1129, 1135})
FULL = frozenset({3, 1021, 1030, 1037, 1038, 1041, 1114})  # disk, memory
FAILOVER = frozenset({1290, 1792, 1836})  # the server is read-only: it is not, or not yet, the one to write to
PASSING = AWAY | BUSY | FULL | FAILOVER
# Errors whose words quote names (of tables, columns, users), never values of a row.
QUOTES_NAMES = PASSING | frozenset(
    {1044, 1045, 1046, 1048, 1049, 1050, 1051, 1054, 1060, 1067, 1071, 1091, 1118, 1130, 1142, 1143, 1146, 1153, 1170}
    | {1227, 1264, 1265, 1364, 1370, 1406, 1451, 1452, 1698, 4025}
)

KEY_COLLATIONS = ("nopad_bin", "0900_bin")  # 'a', 'A' and 'a ' are three keys


def connect_args(timeout_s: int) -> dict[str, Any]:
    """Return what the driver is told for each connection."""
    return {
        "connect_timeout": timeout_s,
        "charset": "utf8mb4",
        "init_command": SESSION,
        "conv": {
            **conversions,
            FIELD_TYPE.TIMESTAMP: _instant,
            FIELD_TYPE.TIME: str,
            FIELD_TYPE.BIT: int.from_bytes,
        },
    }


def stop_reading(connection: Connection) -> None:
    """Let the driver forget a result that was not read to its end; it would read all of it when it closes."""
    result = getattr(connection.connection.driver_connection, "_result", None)
    if result is not None:
        result.unbuffered_active = False


def passing(error: pymysql.Error) -> bool:
    """Return whether waiting can cure ``error``."""
    return _number(error) in PASSING


def reason(error: pymysql.Error) -> str:
    """Return what the server said, without values of a row."""
    number = _number(error)
    words = str(error.args[-1]).splitlines()[0] if error.args else ""
    if number in QUOTES_NAMES:
        return f"{words} ({number})"
    # "Incorrect date value: '…' for column `t`.`c`", "Duplicate entry '…' for key 'PRIMARY'": the end names the place
    hidden, cut = re.subn(r"'.*'(?= for (?:column|key) )", "***", words)
    return f"{hidden if cut else words.partition(chr(39))[0].strip()} ({number})"


def collation(connection: Connection) -> str:
    """Return the collation by which keys that differ in any way differ."""
    return "utf8mb4_nopad_bin" if _is_mariadb(connection) else "utf8mb4_0900_bin"


def misfit(
    connection: Connection, schema: str | None, name: str, texts: Sequence[str], keys: Sequence[str]
) -> Text | None:
    """Return why an existing table cannot be landed in; None when it can. ``texts``: its columns of type C and M."""
    place = {"schema": schema, "name": name}
    engine = str(connection.execute(_ENGINE, place).scalar())
    if engine != "InnoDB":
        return Text(
            f"its engine is {engine}, which has no transactions: ALTER TABLE {name} ENGINE = InnoDB",
            f"存储引擎 {engine} 不支持事务：ALTER TABLE {name} ENGINE = InnoDB",
        )
    found: Mapping[str, tuple[str, str]] = {
        row[0]: (str(row[1]), str(row[2])) for row in connection.execute(_COLUMNS, place)
    }
    wanted = collation(connection)
    for column in texts:
        charset, sorted_by = found[column]
        if charset == "utf8mb4" and (column not in keys or sorted_by.endswith(KEY_COLLATIONS)):
            continue
        return Text(
            f"column {column} is {charset} ({sorted_by}) and would lose characters or take different keys for one;"
            f" give it CHARACTER SET utf8mb4 COLLATE {wanted}",
            f"列 {column} 为 {charset}（{sorted_by}），会丢失字符或将不同主键视为相同；"
            f"请改为 CHARACTER SET utf8mb4 COLLATE {wanted}",
        )
    return None


def _number(error: pymysql.Error) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _instant(value: str) -> datetime | str:
    made = convert_datetime(value)
    return made.replace(tzinfo=UTC) if isinstance(made, datetime) else str(made)


def _is_mariadb(connection: Connection) -> bool:
    return bool(getattr(connection.dialect, "is_mariadb", False))


_ENGINE = text(
    "SELECT engine FROM information_schema.tables WHERE table_schema = COALESCE(:schema, DATABASE())"
    " AND table_name = :name"
)
_COLUMNS = text(
    "SELECT column_name, character_set_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :name"
)
