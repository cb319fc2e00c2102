"""The files adapters between real brokers and real kills: what a folder's files add stands in the topic once."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.adapters.file_places import FilesOrigin, FilesTarget
from tests.integration.adapters.places import World, write_file
from tests.integration.adapters.runs import background, once, topic_rows, until_idle
from tests.support.wait import wait_until


def people(first: int, count: int, op: str = "upsert") -> bytes:
    lines = [
        {"id": f"k{n}", "name": f"居民{n}", "born": "2001-02-03", "amount": "0.01", "op": op}
        for n in range(first, first + count)
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def append(world: World, origin: FilesOrigin, batch_rows: int = 5000) -> Path:
    keys: dict[str, Any] = {"pattern": "*.jsonl*", "mode": "append", "deleted": "op", "done_list": "done.db"}
    return write_file(world, "source", origin, source=keys, limits={"batch_rows": batch_rows})


@pytest.mark.long
def test_killed_with_9_behind_each_commit_the_files_of_a_folder_stand_once_in_the_topic(world: World) -> None:
    origin = FilesOrigin(world.directory)
    file = append(world, origin, batch_rows=10)
    for number in range(3):
        (origin.folder / f"{number}.jsonl").write_bytes(people(number * 25, 25))
    for _life in range(4):
        killed = subprocess.run([sys.executable, "-m", "tests.support.dies_after_batches", str(file), "2"], check=False)
        assert killed.returncode == -signal.SIGKILL
    assert once(file).published == 5, "eight of nine batches were committed, by a life of two each"
    assert len(topic_rows(world, 75, "look")) == 75
    assert once(file).published == 0


def test_a_running_adapter_takes_new_files_names_a_broken_one_and_deletes_what_is_marked(world: World) -> None:
    origin = FilesOrigin(world.directory)
    with background(append(world, origin)) as engine:
        (origin.folder / "1.jsonl").write_bytes(people(0, 5))
        wait_until(lambda: engine.summary.published == 5, 30, "the first file")
        (origin.folder / "2.jsonl.gz").write_bytes(gzip.compress(people(5, 5))[:-5])
        wait_until(lambda: engine.summary.rejected == 1, 30, "the broken file to be told")
        (origin.folder / "copy.jsonl").write_bytes(people(0, 5))
        (origin.folder / "3.jsonl").write_bytes(people(1, 2, "delete"))
        wait_until(lambda: engine.summary.deleted == 2, 30, "the deletes")
        (origin.folder / "2.jsonl.gz").write_bytes(gzip.compress(people(5, 5)))
        wait_until(lambda: engine.summary.published == 10, 30, "the file that was mended")
    assert engine.error is None
    rows = topic_rows(world, 12, "look")
    assert sorted(key for key, row in rows.items() if row is not None) == ["k0", *[f"k{n}" for n in range(3, 10)]]
    assert engine.summary.rejects_file is None or "2.jsonl.gz" in Path(engine.summary.rejects_file).read_text()


def test_a_file_of_changes_is_finished_by_its_age_while_nothing_comes(world: World) -> None:
    origin, target = FilesOrigin(world.directory), FilesTarget(world.directory)
    (origin.folder / "1.jsonl").write_bytes(people(0, 5))
    once(append(world, origin))
    with background(write_file(world, "sink", target, sink={"every_s": 0.5})) as engine:
        wait_until(lambda: engine.summary.landed == 5, 30, "the landing")
        wait_until(lambda: any(target.folder.glob("*.manifest.json")), 30, "the finished file")
    assert len(list(target.lines())) == 5


def test_what_one_department_writes_another_reads_back(world: World) -> None:
    origin, target = FilesOrigin(world.directory), FilesTarget(world.directory)
    (origin.folder / "1.jsonl").write_bytes(people(0, 20))
    file = append(world, origin)
    once(file)
    landing = write_file(world, "sink", target, sink={"format": "parquet"})
    assert until_idle(landing).landed == 20
    (origin.folder / "2.jsonl").write_bytes(people(5, 10, "delete"))
    once(file)
    assert until_idle(landing).deleted == 10
    manifests = [json.loads(path.read_text()) for path in target.folder.glob("*.manifest.json")]
    assert sorted((facts["rows"], facts["deletes"]) for facts in manifests) == [(0, 10), (20, 0)]
