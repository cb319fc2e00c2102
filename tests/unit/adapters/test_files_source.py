"""The watched folder: which files are taken, when, and that each counts once whatever happens."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import SourceChanging
from adapters.protocol import Coverage, Position, ReadBatch
from adapters.source_files import Config, FilesSource
from exchange.errors import ConfigError, NotConnected, SourceProblem
from tests.support.adapters import read_all
from tests.support.wait import wait_until
from tests.unit.adapters.files import Inbox, as_csv, as_jsonl


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def people(*names: str) -> bytes:
    return as_csv([[name, name, None, None] for name in names])


class Reading:
    """What an engine keeps: the rows of the batches that it committed, and the last position."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self.keys: list[str] = []
        self.deleted: list[bytes] = []
        self.rejected: list[str] = []

    def take(self, batch: ReadBatch) -> None:
        assert batch.position is not None
        self.position = json.loads(json.dumps(batch.position))
        assert len(json.dumps(batch.position)) <= 3000
        self.keys += [str(row[0]) for row in batch.rows]
        self.deleted += batch.deleted
        self.rejected += [f"{reject.place}: {reject.rule}" for reject in batch.rejects]

    def take_all(self, source: FilesSource) -> None:
        for batch in source.read(self.position):
            self.take(batch)


def test_the_newest_file_is_the_resource(inbox: Inbox) -> None:
    inbox.put("old.csv", people("a", "b"))
    source = inbox.source()
    assert (source.coverage(None), source.changed()) == (Coverage.WHOLE, True)
    assert [row[0] for row in read_all(source)[0]] == ["a", "b"]
    assert not source.changed()
    inbox.put("new.csv", people("b", "c"))
    assert source.changed()
    assert [row[0] for row in read_all(source)[0]] == ["b", "c"]


def test_newest_may_mean_the_name(inbox: Inbox) -> None:
    inbox.put("v-20240102.csv", people("new"))
    inbox.put("v-20240101.csv", people("old"))
    assert [row[0] for row in read_all(inbox.source(order="name"))[0]] == ["new"]


def test_an_empty_folder_is_no_empty_resource(inbox: Inbox) -> None:
    source = inbox.source()
    assert not source.changed()
    with pytest.raises(NotConnected):
        read_all(source)


def test_a_broken_newest_file_gives_no_row_and_is_read_again_when_it_changes(inbox: Inbox) -> None:
    inbox.put("v.csv.gz", gzip.compress(people("a"))[:-4])
    source = inbox.source()
    rows, rejects = read_all(source)
    assert (rows, [reject.rule for reject in rejects]) == ([], ["damaged"])
    assert not source.changed()
    inbox.put("v.csv.gz", gzip.compress(people("a")))
    assert source.changed()
    assert [row[0] for row in read_all(source)[0]] == ["a"]


def test_what_may_still_be_written_is_left_alone(inbox: Inbox) -> None:
    for name in (".hidden.csv", "~$open.csv", "a.csv.part", "b.tmp", "c.csv.crdownload", "notes.txt"):
        inbox.put(name, people("x"))
    (inbox.folder / "sub.csv").mkdir()
    source = inbox.source(pattern="*.csv*", settle_s=1)
    assert not source.changed()
    path = inbox.put("d.csv", people("d"))
    assert source.changed(), "it is old by its own time"
    os.utime(path)
    assert not source.changed(), "it was written a moment ago"
    wait_until(source.changed, 10, "the file to settle")


def test_a_clock_that_is_ahead_does_not_hide_a_file(inbox: Inbox) -> None:
    path = inbox.put("d.csv", people("d"))
    os.utime(path, (4_000_000_000, 4_000_000_000))
    source = inbox.source(settle_s=0.2)
    assert not source.changed()
    wait_until(source.changed, 10, "the file to be seen unchanged")


def test_a_marker_says_that_a_file_is_whole(inbox: Inbox) -> None:
    inbox.put("d.csv", people("d"))
    source = inbox.source(mode="append", marker=".ok", done_folder=inbox.directory / "done")
    read_all(source)
    assert not source.changed()
    inbox.put("d.csv.ok", b"")
    assert source.changed()
    reading = Reading()
    reading.take_all(source)
    assert reading.keys == ["d"]
    assert list(inbox.folder.iterdir()) == []
    assert (inbox.directory / "done/d.csv").exists()


def test_each_new_file_adds_and_a_content_counts_once(inbox: Inbox) -> None:
    source, reading = inbox.source(mode="append"), Reading()
    assert source.coverage(None) is Coverage.CHANGES
    inbox.put("1.csv", people("a", "b"))
    inbox.put("2.csv", people("c"))
    inbox.put("again.csv", people("a", "b"))
    reading.take_all(source)
    assert reading.keys == ["a", "b", "c"]
    assert not source.changed()
    inbox.put("1.csv", people("a", "b"))  # landed once more under its own name
    inbox.put("late.csv", people("c"))
    reading.take_all(inbox.source(mode="append"))
    assert reading.keys == ["a", "b", "c"]
    old = inbox.put("0.csv", people("d"))
    os.utime(old, (1, 1))  # older than all that was read
    reading.take_all(inbox.source(mode="append"))
    assert reading.keys == ["a", "b", "c", "d"]


def test_a_file_that_changes_is_a_new_file(inbox: Inbox) -> None:
    source, reading = inbox.source(mode="append"), Reading()
    inbox.put("1.csv", people("a"))
    reading.take_all(source)
    inbox.put("1.csv", people("a", "b"))
    reading.take_all(source)
    assert reading.keys == ["a", "a", "b"]


def test_stopped_anywhere_nothing_is_lost_and_nothing_comes_twice(inbox: Inbox) -> None:
    for number in range(4):
        inbox.put(f"{number}.csv", people(*[f"{number}-{n}" for n in range(number * 2 + 1)]))
    everything = [f"{number}-{n}" for number in range(4) for n in range(number * 2 + 1)]
    reading = Reading()
    for _life in range(100):
        batch = next(inbox.source(mode="append", batch_rows=2).read(reading.position), None)
        if batch is None:
            break
        reading.take(batch)  # committed, and killed before the source hears of it
    assert reading.keys == everything
    assert not [batch for batch in inbox.source(mode="append").read(reading.position) if not batch.empty]


def test_a_batch_that_was_not_committed_comes_again(inbox: Inbox) -> None:
    inbox.put("1.csv", people(*"abcde"))
    reading = Reading()
    batches = inbox.source(mode="append", batch_rows=2).read(None)
    reading.take(next(batches))
    next(batches)  # the engine fails here
    batches.close()
    reading.take_all(inbox.source(mode="append", batch_rows=2))
    assert reading.keys == list("abcde")


@pytest.mark.long
def test_killed_with_9_at_every_moment_it_goes_on_where_it_was(inbox: Inbox) -> None:
    inbox.put("1.csv", people(*"abcde"))
    inbox.put("2.csv", people(*"fgh"))
    log = inbox.directory / "committed.jsonl"
    for moment in (1, 2, 3, 4, 3, 2, 0):  # see the reader: odd before a commit, even after it, 0 lives on
        words = [sys.executable, "-m", "tests.support.files_reader", str(inbox.folder), str(log), str(moment)]
        done = subprocess.run(words, check=False)
        assert done.returncode in {-signal.SIGKILL, 0}
    assert done.returncode == 0
    keys = [key for line in log.read_text().splitlines() for key in json.loads(line)["keys"]]
    assert keys == list("abcdefgh")


def test_a_renamed_file_is_read_to_its_end(inbox: Inbox) -> None:
    path = inbox.put("1.csv", people(*"abcde"))
    reading = Reading()
    reading.take(next(inbox.source(mode="append", batch_rows=2).read(None)))
    path.rename(inbox.folder / "other.csv")
    reading.take_all(inbox.source(mode="append", batch_rows=2))
    assert (reading.keys, reading.rejected) == (list("abcde"), [])


def test_a_file_that_vanishes_in_its_middle_is_told(inbox: Inbox) -> None:
    path = inbox.put("1.csv", people(*"abcde"))
    inbox.put("2.csv", people("f"))
    reading = Reading()
    reading.take(next(inbox.source(mode="append", batch_rows=2).read(None)))
    path.unlink()
    reading.take_all(inbox.source(mode="append"))
    assert (reading.keys, reading.rejected) == (["a", "b", "f"], ["1.csv: vanished"])


def test_a_file_that_is_written_to_while_it_is_read_is_read_again(inbox: Inbox) -> None:
    path = inbox.put("1.csv", people(*"abcde"))
    reading = Reading()
    batches = inbox.source(mode="append", batch_rows=2).read(None)
    reading.take(next(batches))
    path.write_bytes(people(*"abcdefg"))
    with pytest.raises(SourceChanging):
        next(batches)
    reading.take_all(inbox.source(mode="append"))
    assert reading.keys == [*"ab", *"abcdefg"]


def test_a_broken_file_does_not_stop_the_others_and_is_tried_again_when_touched(inbox: Inbox) -> None:
    inbox.put("1.csv", b"id,name\nx,1\n")
    inbox.put("2.csv.gz", gzip.compress(people("b"))[:-3])
    inbox.put("3.csv", people("c"))
    source, reading = inbox.source(mode="append"), Reading()
    reading.take_all(source)
    assert (reading.keys, reading.rejected) == (["c"], ["1.csv: missing_column", "2.csv.gz: damaged"])
    assert not source.changed()
    inbox.put("2.csv.gz", gzip.compress(people("b")))
    reading.take_all(source)
    assert reading.keys == ["c", "b"]
    (inbox.folder / "1.csv").touch()
    reading.take_all(source)
    assert reading.rejected[2:] == ["1.csv: missing_column"]


def test_finished_files_are_moved_and_never_over_another(inbox: Inbox) -> None:
    done = inbox.directory / "done"
    reading = Reading()
    for name, data in (("1.csv", people("a")), ("1.csv", people("b")), ("copy.csv", people("a")), ("x.csv", b"")):
        inbox.put(name, data)
        reading.take_all(inbox.source(mode="append", done_folder=done))
    assert reading.keys == ["a", "b"]
    assert len(list(done.iterdir())) == 3
    assert {path.read_bytes() for path in done.iterdir()} == {people("a"), people("b")}
    assert [path.name for path in inbox.folder.iterdir()] == ["x.csv"], "a broken one stays"


def test_killed_before_the_move_it_is_moved_later(inbox: Inbox) -> None:
    inbox.put("1.csv", people("a"))
    reading = Reading()
    reading.take_all(inbox.source(mode="append"))
    reading.take_all(inbox.source(mode="append", done_folder=inbox.directory / "done"))
    assert (reading.keys, [path.name for path in inbox.folder.iterdir()]) == (["a"], [])


def test_a_column_marks_deletes_and_the_last_state_of_a_key_holds(inbox: Inbox) -> None:
    lines = [
        ("a", "upsert"),
        ("b", ""),
        ("a", "delete"),
        ("c", "删除"),
        ("c", "u"),
        ("d", "0"),
        ("d", None),
        ("e", "?"),
    ]
    data = [{"id": key, "name": str(at), "born": None, "amount": None, "op": op} for at, (key, op) in enumerate(lines)]
    inbox.put("1.jsonl", "".join(f"{json.dumps(line)}\n" for line in data).encode())
    batch = next(inbox.source(mode="append", deleted="op", batch_rows=100).read(None))
    assert [(row[0], row[1]) for row in batch.rows] == [("b", "1"), ("c", "4"), ("d", "6")]
    assert list(batch.lines) == [2, 5, 7]
    assert (batch.deleted, [reject.rule for reject in batch.rejects]) == ([b"a"], ["delete_mark"])


def test_a_deleted_record_needs_only_its_key(inbox: Inbox) -> None:
    inbox.put("1.csv", b"id,name,born,amount,op\na,,nonsense,,d\n,,,,d\n")
    batch = next(inbox.source(mode="append", deleted="op").read(None))
    assert (batch.deleted, [reject.rule for reject in batch.rejects]) == ([b"a"], ["required"])


def test_a_lost_list_of_finished_files_stops_the_adapter(inbox: Inbox) -> None:
    inbox.put("1.csv", people("a"))
    inbox.put("2.csv", people("b"))
    reading = Reading()
    reading.take_all(inbox.source(mode="append"))
    (inbox.directory / "done.db").unlink()
    with pytest.raises(SourceProblem, match=r"done\.db"):
        reading.take_all(inbox.source(mode="append"))


def test_a_broker_that_lost_the_last_commits_gets_them_again(inbox: Inbox) -> None:
    reading, early = Reading(), Reading()
    inbox.put("1.csv", people("a"))
    reading.take_all(inbox.source(mode="append"))
    early.position = reading.position
    inbox.put("2.csv", people("b"))
    reading.take_all(inbox.source(mode="append"))
    early.take_all(inbox.source(mode="append"))
    assert (reading.keys, early.keys) == (["a", "b"], ["b"])


def test_two_adapters_may_share_a_folder_and_a_list(inbox: Inbox) -> None:
    inbox.put("1.csv", people("a"))
    one, two = Reading(), Reading()
    one.take_all(inbox.source(mode="append"))
    two.take_all(inbox.source(mode="append"))
    one.take_all(inbox.source(mode="append"))
    assert (one.keys, two.keys) == (["a"], ["a"])


def test_names_that_are_not_utf_8_are_read_and_shown(inbox: Inbox) -> None:
    name = os.fsdecode("村.csv".encode("gbk"))
    inbox.put(name, people("a") + b"x\n")
    reading = Reading()
    reading.take_all(inbox.source(mode="append"))
    assert (reading.keys, reading.rejected) == (["a"], ["村.csv: too_few_columns"])
    reading.take_all(inbox.source(mode="append"))
    assert reading.keys == ["a"]
    inbox.put("村" * 83 + ".csv", people("b"))
    reading.take_all(inbox.source(mode="append"))
    assert reading.keys == ["a", "b"], "the longest name that a file system takes fits into a position"


def test_memory_is_bounded_by_bytes_too(inbox: Inbox) -> None:
    inbox.put("1.jsonl", as_jsonl([[f"k{n}", "长" * 50, None, None] for n in range(2000)]))
    source = inbox.source(mode="append", batch_rows=100_000)
    sizes = [len(batch.rows) for batch in source.read(None)]
    assert sizes == [2000]
    big = [[f"k{n}", "x" * 2_000_000, None, None] for n in range(20)]
    inbox.put("2.jsonl", as_jsonl(big))
    assert max(len(batch.rejects) for batch in inbox.source(batch_rows=100_000).read(None)) <= 9


def test_a_folder_that_never_was_is_a_mistake_and_one_that_goes_is_waited_for(inbox: Inbox) -> None:
    source = inbox.source()
    inbox.folder.rename(inbox.directory / "away")
    with pytest.raises(NotConnected):
        source.changed()
    with pytest.raises(SourceProblem):
        inbox.source()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"zone": "Mars"}, "zone"),
        ({"delimiter": "，"}, "delimiter"),
        ({"delimiter": ";", "quote": ";"}, "quote"),
    ],
)
def test_what_a_type_cannot_say_is_verified(keys: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(kind="files", folder=tmp_path, **keys).verify("a.toml", "source")
    assert words in caught.value.message("en")


def test_a_done_folder_that_is_the_folder_is_refused(inbox: Inbox) -> None:
    with pytest.raises(SourceProblem, match="done_folder"):
        inbox.source(mode="append", done_folder=inbox.folder)
