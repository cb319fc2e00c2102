"""The arithmetic of reconciliation: whatever is lost, repeated or changed is found, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exchange.receipts import MODULUS
from registry.receipts.domain import Batch, Fragment, Period, Totals, reconcile

NOW, GRACE = 1_000_000, 1_000
OPEN = Period(since=0, until=None, now=NOW, grace=GRACE)


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[list[Batch], list[Fragment]]:
    """Batches, each split over partitions and landings, and everything landed once."""
    batches, fragments, reached = [], [], {0: 0, 1: 0}
    for number in range(draw(st.integers(1, 5))):
        parts = draw(st.lists(st.tuples(st.integers(1, 9), st.integers(0, MODULUS - 1)), min_size=1, max_size=4))
        name = f"{number:032x}"
        for count, digest in parts:
            partition = draw(st.integers(0, 1))
            first = reached[partition] + draw(st.integers(0, 3))
            reached[partition] = first + count
            fragments.append(Fragment(name, count, digest, partition, first, first + count - 1))
        batches.append(Batch(name, sum(c for c, _ in parts), sum(d for _, d in parts) % MODULUS, NOW - 2 * GRACE))
    return batches, draw(st.permutations(fragments))


def total(batches: list[Batch]) -> int:
    return sum(batch.count for batch in batches)


@given(exchanges())
def test_all_landed_once_is_all_right(exchange: tuple[list[Batch], list[Fragment]]) -> None:
    batches, fragments = exchange
    expected = Totals(batches=len(batches), published=total(batches), landed=total(batches))
    assert reconcile(batches, fragments, OPEN) == expected


@given(exchanges(), st.data())
def test_what_is_missing_is_lost_or_on_its_way(
    exchange: tuple[list[Batch], list[Fragment]], data: st.DataObject
) -> None:
    batches, fragments = exchange
    gone = data.draw(st.sampled_from(fragments))
    left = [part for part in fragments if part is not gone]
    found = reconcile(batches, left, OPEN)
    assert (found.lost, found.landed, found.duplicated) == (gone.count, total(batches) - gone.count, 0)
    young = [replace(batch, at=NOW - GRACE) for batch in batches]
    assert reconcile(young, left, OPEN).in_flight == gone.count
    assert reconcile(young, left, OPEN).lost == 0


@given(exchanges(), st.data())
def test_what_landed_twice_is_duplicated(exchange: tuple[list[Batch], list[Fragment]], data: st.DataObject) -> None:
    batches, fragments = exchange
    twice = data.draw(st.sampled_from(fragments))
    found = reconcile(batches, [*fragments, twice], OPEN)
    assert (found.duplicated, found.landed, found.lost, found.differing) == (twice.count, total(batches), 0, 0)


@given(exchanges(), st.data(), st.integers(1, MODULUS - 1))
def test_what_landed_otherwise_differs(
    exchange: tuple[list[Batch], list[Fragment]], data: st.DataObject, by: int
) -> None:
    batches, fragments = exchange
    index = data.draw(st.integers(0, len(fragments) - 1))
    changed = replace(fragments[index], digest=fragments[index].digest + by)
    found = reconcile(batches, [*fragments[:index], changed, *fragments[index + 1 :]], OPEN)
    batch = next(b for b in batches if b.batch == changed.batch)
    assert (found.differing, found.lost, found.duplicated) == (batch.count, 0, 0)


def test_the_period_decides_what_counts() -> None:
    batch = Batch("b", 10, 0, 500)
    part = Fragment("b", 4, 0, 0, 0, 3)

    def of(at: int, parts: list[Fragment], **period: int | None) -> Totals:
        return reconcile([replace(batch, at=at)], parts, replace(OPEN, **period))  # type: ignore[arg-type]

    assert of(500, [], since=600) == Totals(), "published before what the topic has to hold"
    assert of(500, [part], since=600) == Totals(batches=1, published=4, landed=4), "compacted, not lost"
    assert of(500, []).lost == 10
    assert of(500, [], until=400) == Totals(), "published after the grant"
    assert of(500, [part], until=600) == Totals(batches=1, published=10, landed=4, cut_off=6)
    assert of(500, [part], until=500 + 2 * GRACE).lost == 6
    assert reconcile([], [part], OPEN) == Totals(unmatched=1)
