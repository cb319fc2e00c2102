"""A whole CSV file of villages through the CSV source into PostgreSQL: ``make villages FILE=villages.csv.gz``.

A node and a database of its own, both adapters as their own processes; in the end the SHA-256 of all rows, sorted by
code, as they are in the file and in the table. Exit code 1 when they differ, or when the receipts do.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from exchange.demo.runs import write_adapter_file
from exchange.demo.villages import COLUMNS, ITEMS
from exchange.node.ports import free_ports
from exchange.node.postgres import temporary_cluster
from tests.support.catalogue import Catalogue, Office
from tests.support.node import running_node
from tests.support.wait import wait_until

IDLE_S = 5.0
PATIENCE_S = 120.0


def main(file: Path) -> int:
    """Carry ``file``; return the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="exchange-villages-") as place,
        temporary_cluster(free_ports(1)[0]) as cluster,
        running_node(Path(place) / "var") as node,
    ):
        catalogue = Catalogue(node)
        owner, reader = catalogue.office("villages"), catalogue.office("villages-in", "440600")
        code = catalogue.resource(owner, ITEMS)
        catalogue.grant(owner, reader, code)
        url = make_url(cluster.create_database("villages"))
        began = time.monotonic()
        published = _run(Path(place), owner, code, {"source": {"kind": "csv", "path": str(file.absolute())}}, "--once")
        sink = {"kind": "sql", "url": url._replace(password=None).render_as_string(), "table": "villages"}
        secret = Path(place) / "database.secret"
        secret.write_text(str(url.password))
        landed = _run(
            Path(place), reader, code, {"sink": {**sink, "password_file": str(secret)}}, "--until-idle", str(IDLE_S)
        )
        seconds = time.monotonic() - began - IDLE_S
        found: dict[str, int] = {}

        def settled() -> bool:
            found.update(owner.admin.reconciliation(code, reader.client_id))
            return not found["in_flight"] and found["published"] == published["published"]

        wait_until(settled, PATIENCE_S, f"the receipts of both sides: {found}")
        ours = _digest(_in_file(file))
        theirs = _digest(_in_table(url.set(drivername="postgresql").render_as_string(hide_password=False)))
    right = ours == theirs and not any(found[name] for name in ("lost", "duplicated", "differing"))
    counts = {name: found[name] for name in ("published", "landed", "lost", "duplicated", "differing")}
    told = {"seconds": round(seconds, 1), "rejected": published["rejected"], "landed_rows": landed["landed"], **counts}
    print(json.dumps({**told, "file_sha256": ours, "table_sha256": theirs, "equal": right}, indent=2))  # noqa: T201 - a report
    return 0 if right else 1


def _run(place: Path, office: Office, code: str, part: dict[str, Any], *options: str) -> dict[str, Any]:
    side = next(iter(part))
    secret = place / f"{side}.secret"
    secret.write_text(office.secret)
    tables = {
        "adapter": {"name": f"villages-{side}", "resource": code},
        "identity": {"client_id": office.client_id, "secret_file": str(secret)},
        "registry": {"url": office.registry.url},
        **part,
    }
    if side == "source":
        tables["adapter.columns"] = dict(COLUMNS)
    file = write_adapter_file(place / f"{side}.toml", tables)
    command = [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file), "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def _in_file(file: Path) -> Iterable[Sequence[str]]:
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        rows = [tuple(row[column] for column in COLUMNS.values()) for row in csv.DictReader(lines)]
    return sorted(rows)


def _in_table(url: str) -> Iterable[Sequence[str]]:
    names = ", ".join(item.name for item in ITEMS)
    with psycopg.connect(url) as database:
        return sorted(database.execute(f"SELECT {names} FROM villages").fetchall())


def _digest(rows: Iterable[Sequence[str]]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update("\x1f".join(row).encode() + b"\n")
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
