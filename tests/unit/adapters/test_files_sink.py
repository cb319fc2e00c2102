"""The file sink: each change stands in one finished file, whatever was killed, and each file has its manifest."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet
import pytest

from adapters.files_writers import Change
from adapters.protocol import Landing, Stream
from adapters.sink_files import Config, FilesSink, open_sink
from adapters.source_files import Config as SourceConfig
from adapters.source_files import open_source
from exchange.errors import Fenced, NotConnected, SinkProblem
from exchange.items import Item, ItemType, Row
from tests.support.adapters import stream_of
from tests.support.files_landings import ITEMS, landing, lines_of, row
from tests.support.wait import wait_until

FORMS = ["csv", "jsonl", "avro", "parquet"]
EVERY_TYPE = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("at", "序号", ItemType.INTEGER, primary_key=True),
    Item("memo", "备注", ItemType.MEMO),
    Item("amount", "数值", ItemType.NUMBER, length=12, scale=2),
    Item("money", "货币", ItemType.MONEY),
    Item("born", "日期", ItemType.DATE),
    Item("seen", "时间", ItemType.INSTANT),
    Item("flag", "逻辑", ItemType.LOGICAL),
    Item("raw", "通用", ItemType.BINARY),
    Item("ratio", "双精度", ItemType.DOUBLE),
)
FULL: Row = (
    "a",
    7,
    '禅城, "x"\nsecond',
    Decimal("12.50"),
    Decimal("0.0001"),
    date(2024, 1, 31),
    datetime(2024, 1, 31, 0, 30, 15, 123456, UTC),
    True,
    b"\x00\xff",
    0.1,
)
EMPTY: Row = ("b", 8, *[None] * 8)


def sink(folder: Path, stream: Stream | None = None, **more: Any) -> FilesSink:
    made = open_sink(
        Config(kind="files", folder=folder, **{"format": "jsonl", "prefix": "p", **more}), stream or stream_of(ITEMS)
    )
    made.connect()
    return made


def manifests(folder: Path) -> list[dict[str, Any]]:
    """Each manifest, after it was held against its file."""
    found = []
    for path in sorted(folder.glob("*.manifest.json")):
        facts = json.loads(path.read_text())
        data = (folder / facts["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (facts["bytes"], facts["sha256"])
        found.append(facts)
    return found


def keys(folder: Path) -> list[str]:
    return [line["_key"] for line in lines_of(folder)]


@pytest.mark.parametrize("form", FORMS)
def test_every_type_comes_back_through_the_files_source(tmp_path: Path, form: Any) -> None:
    stream = stream_of(EVERY_TYPE)
    out = sink(tmp_path / "out", stream, format=form)
    changes: list[Change] = [(b'["a","7"]', FULL), (b'["b","8"]', EMPTY), (b'["c","9"]', None)]
    out.write(Landing(stream.contract.topic, changes, {0: (0, 3)}))
    out.close()
    done = tmp_path / "done.db"
    config = SourceConfig(
        kind="files",
        folder=tmp_path / "out",
        pattern=f"*.{form}",
        mode="append",
        deleted="_op",
        done_list=done,
        settle_s=0,
    )
    source = open_source(config, stream)
    source.connect()
    batches = list(source.read(None))
    assert [row for batch in batches for row in batch.rows] == [FULL, EMPTY]
    assert [key for batch in batches for key in batch.deleted] == [b'["c","9"]']
    assert [batch.rejects for batch in batches] == [[]]


def test_the_formats_are_what_others_read(tmp_path: Path) -> None:
    stream = stream_of(EVERY_TYPE)
    for form in ("csv", "avro", "parquet"):
        out = sink(tmp_path / form, stream, format=form)
        out.write(Landing(stream.contract.topic, [(b'["a","7"]', FULL), (b'["c","9"]', None)], {0: (0, 2)}))
        out.close()
    text = next((tmp_path / "csv").glob("*.csv")).read_text()
    assert text.startswith("_op,_key,id,at,memo,amount,money,born,seen,flag,raw,ratio\nupsert,")
    assert "12.50,0.0001,2024-01-31,2024-01-31T00:30:15.123456+00:00,true,00ff,0.1\n" in text
    assert text.endswith('delete,"[""c"",""9""]",c,9,,,,,,,,\n')
    with next((tmp_path / "avro").glob("*.avro")).open("rb") as file:
        records: list[Any] = list(fastavro.reader(file))
    table = pyarrow.parquet.read_table(next((tmp_path / "parquet").glob("*.parquet")))
    assert records == table.to_pylist()
    assert [str(field.type) for field in table.schema][3:8] == [
        "int64",
        "string",
        "decimal128(12, 2)",
        "decimal128(20, 4)",
        "date32[day]",
    ]


@pytest.mark.parametrize("form", FORMS)
def test_landings_share_a_file_until_it_is_large_enough(tmp_path: Path, form: Any) -> None:
    out = sink(tmp_path, format=form, max_rows=5)
    for start in range(0, 12, 2):
        out.write(landing(range(start, start + 2)))
        assert out.positions(landing([]).topic) == {0: start + 2}
    assert [facts["rows"] for facts in manifests(tmp_path)] == [6, 6]
    assert keys(tmp_path) == [f"k{n}" for n in range(12)]
    assert [facts["offsets"] for facts in manifests(tmp_path)] == [
        [{"partition": 0, "first": 0, "next": 6}],
        [{"partition": 0, "first": 6, "next": 12}],
    ]


def test_a_manifest_says_what_is_in_its_file(tmp_path: Path) -> None:
    out = sink(tmp_path)
    out.write(landing(range(3), deleted=["x"]))
    out.write(landing(range(4, 6)))
    assert manifests(tmp_path) == [], "not before the file is finished"
    assert list(tmp_path.glob("*.*l*")) == []
    out.close()
    facts = manifests(tmp_path)[0]
    assert facts["file"] == f"p-{out.landing_id()[:8]}-00000001.jsonl"
    assert (facts["rows"], facts["deletes"], facts["schema_id"], facts["topic"]) == (5, 1, 1, landing([]).topic)
    assert facts["batches"] == [f"{0:032x}", f"{4:032x}"]
    assert facts["opened_at"] <= facts["sealed_at"]


def test_a_file_is_finished_by_its_age_while_nothing_comes(tmp_path: Path) -> None:
    out = sink(tmp_path, every_s=0.1)
    out.rest()
    out.write(landing([0]))

    def finished() -> bool:
        out.rest()
        return len(manifests(tmp_path)) == 1

    wait_until(finished, 10, "the file to be finished")
    out.rest()
    assert len(manifests(tmp_path)) == 1
    later = sink(tmp_path, every_s=3600)
    later.write(landing([1]))
    later.rest()
    assert len(manifests(tmp_path)) == 1


def test_receipts_are_kept_until_they_were_sent(tmp_path: Path) -> None:
    out = sink(tmp_path)
    out.write(landing(range(2)))
    receipts = sink(tmp_path).unsent_receipts(10)
    assert [receipt.batch for receipt in receipts] == [f"{0:032x}"]
    out.mark_sent([receipt.id for receipt in receipts])
    assert out.unsent_receipts(10) == []


def test_another_process_that_landed_first_fences(tmp_path: Path) -> None:
    one, two = sink(tmp_path), sink(tmp_path)
    one.write(landing([0]))
    with pytest.raises(Fenced):
        two.write(landing([0]))
    two.write(landing([1]))
    one.close()
    two.close()
    assert keys(tmp_path) == ["k0", "k1"]


def test_a_new_schema_begins_a_new_file(tmp_path: Path) -> None:
    stream = stream_of(ITEMS)
    sink(tmp_path, stream, format="parquet").write(landing([0]))
    items = (*ITEMS, Item("phone", "电话", ItemType.TEXT, length=20))
    wider = stream_of(items)
    wider = replace(wider, contract=replace(wider.contract, schema_id=2))
    out = sink(tmp_path, wider, format="parquet")
    assert len(manifests(tmp_path)) == 1
    out.write(replace(landing([1]), changes=[(b"k1", (*row(1), "139"))]))
    out.close()
    assert [facts["schema_id"] for facts in manifests(tmp_path)] == [1, 2]
    assert [line.get("phone") for line in lines_of(tmp_path)] == [None, "139"]


def test_a_lost_ledger_is_a_new_destination_and_lost_bytes_are_told(tmp_path: Path) -> None:
    out = sink(tmp_path, ledger=tmp_path / "state/l.db")
    out.write(landing(range(3)))
    part = next((tmp_path / ".exchange").glob("*.part"))
    data = part.read_bytes()
    for left in (data[:-1], None):
        part.unlink() if left is None else part.write_bytes(left)
        with pytest.raises(SinkProblem, match=r"l\.db"):
            out.write(landing([3]))
    (tmp_path / "state/l.db").unlink()
    fresh = sink(tmp_path, ledger=tmp_path / "state/l.db")
    assert (fresh.positions(landing([]).topic), fresh.landing_id() != out.landing_id()) == ({}, True)


def test_what_avro_cannot_call_a_column_is_named(tmp_path: Path) -> None:
    named = stream_of(ITEMS, {"name": "村名"})
    sink(tmp_path, named, format="csv").close()
    with pytest.raises(SinkProblem, match="columns"):
        sink(tmp_path, named, format="avro")
    with pytest.raises(SinkProblem, match="twice"):
        sink(tmp_path, stream_of(ITEMS, {"name": "id"}), format="csv")


def test_a_key_of_no_row_is_told_as_it_is(tmp_path: Path) -> None:
    stream = stream_of(EVERY_TYPE)
    out = sink(tmp_path, stream)
    out.write(Landing(stream.contract.topic, [(b"odd\xff", None), (b'["a","x"]', None)], {0: (0, 2)}))
    out.close()
    assert [(line["_op"], line["_key"], line["at"]) for line in lines_of(tmp_path)] == [
        ("delete", "odd\\xff", None),
        ("delete", '["a","x"]', None),
    ]


MOMENTS = ["append", "commit", "sealed", "ready", "renamed", "manifest"]


@pytest.mark.long
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_killed_with_9_at_every_moment_each_change_stands_once(tmp_path: Path, form: str) -> None:
    for moment in [*MOMENTS, "never"]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.files_landings", str(tmp_path), form, moment], check=False
        )
        assert done.returncode == (0 if moment == "never" else -signal.SIGKILL), moment
    assert keys(tmp_path) == [f"k{n}" for n in range(60)]
    facts = manifests(tmp_path)
    assert sum(part["rows"] for part in facts) == 60
    numbers = [part["number"] for part in facts]
    assert numbers == list(range(1, len(numbers) + 1))
    assert not [path for path in (tmp_path / ".exchange").iterdir() if path.suffix in {".part", ".ready", ".manifest"}]


def test_a_file_that_was_taken_away_is_not_made_again(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.support.files_landings", str(tmp_path), "parquet", "renamed"]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    taken = [path.name for path in tmp_path.glob("*.parquet")]
    for name in taken:
        (tmp_path / name).unlink()
    assert len(taken) == 1
    sink(tmp_path, format="parquet").close()
    assert not (tmp_path / taken[0]).exists()


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """No file grows beyond ``size`` bytes: the system itself refuses, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("form", FORMS)
def test_a_write_that_finds_no_room_is_repeated_and_lands_once(tmp_path: Path, form: Any) -> None:
    out = sink(tmp_path, format=form)
    out.write(landing(range(10)))
    with little_room(120_000), pytest.raises(NotConnected):
        out.write(noise(10, 400))
    out.connect()
    assert out.positions(landing([]).topic) == {0: 10}
    out.write(noise(10, 400))
    out.close()
    assert keys(tmp_path) == [f"k{n}" for n in range(410)]


def noise(first: int, count: int) -> Landing:
    """Changes that no compression makes small."""
    made: Sequence[Change] = [
        (f"k{n}".encode(), (f"k{n}", os.urandom(400).hex(), None)) for n in range(first, first + count)
    ]
    return replace(landing(range(first, first + count)), changes=made)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may make a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)  # another run may look at old folders


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_is_waited_for(small_disk: Path, form: Any) -> None:
    out = sink(small_disk, format=form)
    out.write(landing(range(10)))
    full = small_disk / "others"
    full.write_bytes(b"x" * 60_000)
    with pytest.raises(NotConnected):
        out.write(noise(10, 300))
    with suppress(NotConnected):  # there may be room for this much
        out.connect()
    with pytest.raises(NotConnected):
        out.write(noise(10, 300))
    full.unlink()
    out.connect()
    out.write(noise(10, 50))
    out.close()
    assert keys(small_disk) == [f"k{n}" for n in range(60)]
