from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.integration.adapters.places import EXTRA, People, Server, SqlOrigin


class PostgresOrigin(SqlOrigin):
    """The same table by the kind ``postgres``; ``put`` writes only what differs, as a department's system would."""

    def __init__(self, url: str, directory: Path, cluster: Server, mode: str) -> None:
        super().__init__(url, directory, cluster)
        self.follows = mode == "capture"
        slot = f"exchange_{self.engine.url.database}"
        self._keys |= {"kind": "postgres", "mode": mode, "create": True, "slot": slot}

    def put(self, people: People, phones: Mapping[str, str] | None = None) -> None:
        more = [] if phones is None else [EXTRA]
        with self.engine.begin() as connection:
            if phones is not None:
                connection.execute(text(f"ALTER TABLE people ADD COLUMN {EXTRA} text"))
            names = ["id", "name", "born", "amount", *more]
            there = {row[0]: tuple(row) for row in connection.execute(text(f"SELECT {', '.join(names)} FROM people"))}
            wanted = {key: (key, *person, *[(phones or {}).get(key) for _ in more]) for key, person in people.items()}
            for key in there.keys() - wanted.keys():
                connection.execute(text("DELETE FROM people WHERE id = :id"), {"id": key})
            marks = ", ".join(f":{name}" for name in names)
            kept = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
            changed: list[dict[str, Any]] = [
                dict(zip(names, row, strict=True)) for key, row in wanted.items() if there.get(key) != row
            ]
            if changed:
                words = (
                    f"INSERT INTO people ({', '.join(names)}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {kept}"
                )
                connection.execute(text(words), changed)
