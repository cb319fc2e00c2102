"""A pass is compared alike in memory and in a file, whatever the moment at which memory is not enough."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import comparison, comparison_file
from adapters.comparison import Comparison
from adapters.comparison_file import Verdict
from exchange.errors import NotConnected

KEYS = st.binary(max_size=2)
DIGESTS = st.integers(0, 3) | st.just((1 << 128) - 1)
ENTRIES = st.lists(st.tuples(KEYS, st.none() | DIGESTS), max_size=40)
ROWS = st.lists(st.tuples(KEYS, DIGESTS), max_size=40)
NO_LIMIT = 10_000


def told(folder: Path, limit: int, entries: list[tuple[bytes, int | None]], rows: list[tuple[bytes, int]]) -> object:
    compared = Comparison(folder, limit, keyed=False)
    compared.load(entries)
    verdicts = [compared.look(key, digest) for key, digest in rows]
    protected = {key for key, _ in rows[:2]} | {b"\x00"}
    gone = [sorted(compared.gone(protected)) for _ in range(2)]
    assert gone[0] == gone[1]
    found = compared.known, verdicts, gone[0]
    compared.close()
    return found


def expected(entries: list[tuple[bytes, int | None]], rows: list[tuple[bytes, int]]) -> object:
    known = {key: digest for key, digest in dict(entries).items() if digest is not None}
    shown: dict[bytes, int] = {}
    verdicts = []
    for key, digest in rows:
        if key in shown:
            verdicts.append(Verdict.REPEATED if shown[key] == digest else Verdict.CONTRADICTED)
            continue
        shown[key] = digest
        verdicts.append(Verdict.SAME if known.get(key) == digest else Verdict.NEW)
    protected = {key for key, _ in rows[:2]} | {b"\x00"}
    return len(known), verdicts, sorted(known.keys() - shown.keys() - protected)


@given(ENTRIES, ROWS, st.sampled_from([0, 1, 3, 10, NO_LIMIT]))
def test_each_row_is_judged_as_a_dictionary_would(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[bytes, int | None]],
    rows: list[tuple[bytes, int]],
    limit: int,
) -> None:
    folder = tmp_path_factory.getbasetemp() / "comparison"
    assert told(folder, limit, entries, rows) == expected(entries, rows)


def test_memory_that_is_not_enough_for_the_topic_loses_no_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in memory goes into the file in the middle of the topic, and the rest after it."""
    monkeypatch.setattr(comparison, "ROWS_AT_ONCE", 7)
    keys = [b"%d" % (number * 7919 % 50) for number in range(200)]
    entries = [(key, None if at % 11 == 0 else at) for at, key in enumerate(keys)]
    rows = [(b"%d" % number, 150 + number) for number in range(0, 60, 2)]
    for limit in (0, 10, 30):
        assert told(tmp_path, limit, entries, rows) == expected(entries, rows)


@pytest.mark.parametrize("limit", [0, NO_LIMIT])
def test_a_source_that_shows_no_key_twice_is_not_remembered(tmp_path: Path, limit: int) -> None:
    compared = Comparison(tmp_path, limit, keyed=True)
    compared.load([(b"same", 1), (b"other", 1), (b"gone", 1), (b"late", 1), (b"late", None)])
    shown = [(b"same", 1), (b"other", 2), (b"late", 1), (b"new", 1)]
    assert [compared.look(*row) for row in shown] == [Verdict.SAME, Verdict.NEW, Verdict.NEW, Verdict.NEW]
    assert list(compared.gone(())) == [b"gone"]
    assert compared.known == 3
    compared.close()


def test_the_file_has_no_name_and_is_gone_with_the_pass(tmp_path: Path) -> None:
    compared = Comparison(tmp_path / "state", 0, keyed=False)
    compared.load((b"%d" % number, number) for number in range(100))
    assert list((tmp_path / "state").iterdir()) == [], "keys may be personal data: nobody else can open it"
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    compared.close()


def test_a_folder_of_any_name_does(tmp_path: Path) -> None:
    compared = Comparison(tmp_path / "o'state 状态", 0, keyed=False)
    compared.load([(b"1", 1)])
    assert compared.look(b"1", 1) is Verdict.SAME
    compared.close()


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_file, "SETTINGS", (*comparison_file.SETTINGS, "max_page_count = 20"))
    compared = Comparison(tmp_path, 0, keyed=False)
    with pytest.raises(NotConnected, match="full"):
        compared.load((b"%d" % number, number) for number in range(100_000))
    compared.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    compared = Comparison(tmp_path / "state", 0, keyed=False)
    with pytest.raises(NotConnected, match="state"):
        compared.load([(b"1", 1)])
    compared.close()
