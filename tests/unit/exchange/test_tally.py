from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.tally import BUCKETS, DEPTH, GONE, Sum, Tally, Twice, differing, unequal

DIGESTS = st.integers(1, 2**128 - 1)
KEYS = st.binary(max_size=30)
STATES = st.dictionaries(KEYS, DIGESTS, max_size=60)


def tally(entries: list[tuple[bytes, int]], twice: Twice = Twice.NEVER, memory: int = 10**6) -> Tally:
    made = Tally(twice, memory)
    for key, digest in entries:
        made.put([key], [digest])
    return made


def all_of(made: Tally) -> dict[bytes, int]:
    return {key: digest for number in range(BUCKETS) for key, digest in made.bucket(number).items()}


def found(one: Tally, other: Tally) -> set[bytes]:
    return {key for number in differing(one, other) for key in unequal(one.bucket(number), other.bucket(number))}


@given(STATES, STATES)
def test_bisection_finds_exactly_the_keys_that_differ(one: dict[bytes, int], other: dict[bytes, int]) -> None:
    wanted = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    assert found(tally([*one.items()]), tally([*other.items()])) == wanted


@given(st.lists(st.tuples(st.sampled_from([b"", b"a", b"b", b"c" * 300]), st.integers(0, 3)), max_size=40))
def test_of_a_topic_the_last_record_of_a_key_stands_and_a_delete_is_no_row(records: list[tuple[bytes, int]]) -> None:
    state = {key: digest for key, digest in dict(records).items() if digest != GONE}
    made = tally(records, Twice.LAST)
    assert made.sums(0, [0]) == [(len(state), sum(state.values()))]
    assert all_of(made) == state


def test_of_a_file_the_first_row_of_a_key_stands() -> None:
    made = tally([(b"a", 5), (b"b", 6), (b"a", 7)], Twice.FIRST)
    assert all_of(made) == {b"a": 5, b"b": 6}
    assert made.sums(0, [0]) == [(2, 11)]


@pytest.mark.parametrize("twice", list(Twice))
def test_what_does_not_fit_into_memory_is_not_lost(twice: Twice) -> None:
    records = [(b"key %d" % number, number + 1) for number in range(3000)]
    small, large = tally(records, twice, memory=5_000), tally(records, twice)
    assert all_of(small) == dict(records)
    assert differing(small, large) == []
    assert small._file is not None, "it was written out"
    small.close()


def test_two_sides_tell_each_other_little_while_they_are_equal() -> None:
    class Counting:
        def __init__(self, inner: Tally) -> None:
            self.inner, self.told = inner, 0

        def sums(self, level: int, nodes: Sequence[int]) -> list[Sum]:
            self.told += len(nodes)
            return self.inner.sums(level, nodes)

    records = [(b"%d" % number, number + 1) for number in range(10_000)]
    one, same, other = Counting(tally(records)), tally(records), tally([*records[:-1], (records[-1][0], 1)])
    assert differing(one, same) == []
    assert one.told == 1
    assert len(differing(one, other)) == 1
    assert one.told == 2 + 16 * DEPTH
