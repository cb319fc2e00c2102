"""Three words about one batch: publisher's receipt, broker's topic, subscriber's receipt; who stands alone answers."""

from __future__ import annotations

import pytest

from registry.receipts.differences import Held, Kind, Owner, kinds, owner
from registry.receipts.domain import Totals

TEN, NINE, OTHER, NONE = Held(10, 7), Held(9, 5), Held(10, 8), Held(0, 0)


@pytest.mark.parametrize(
    ("kind", "published", "broker", "landed", "who"),
    [
        (Kind.LOST, TEN, TEN, NINE, Owner.SUBSCRIBER),
        (Kind.LOST, TEN, NINE, NINE, Owner.PUBLISHER),
        (Kind.LOST, TEN, Held(8, 3), Held(7, 2), Owner.BROKER),
        (Kind.LOST, TEN, NONE, NINE, Owner.BROKER),
        (Kind.LOST, TEN, None, NINE, Owner.UNKNOWN),
        (Kind.DIFFERING, TEN, TEN, OTHER, Owner.SUBSCRIBER),
        (Kind.DIFFERING, TEN, OTHER, OTHER, Owner.PUBLISHER),
        (Kind.DIFFERING, TEN, Held(10, 9), OTHER, Owner.BROKER),
        (Kind.DUPLICATED, TEN, TEN, Held(11, 9), Owner.SUBSCRIBER),
        (Kind.DUPLICATED, TEN, Held(11, 9), Held(11, 9), Owner.PUBLISHER),
        (Kind.UNMATCHED, None, TEN, TEN, Owner.PUBLISHER),
        (Kind.UNMATCHED, None, NONE, TEN, Owner.SUBSCRIBER),
    ],
)
def test_whose_word_stands_alone_has_to_answer(
    kind: Kind, published: Held | None, broker: Held | None, landed: Held, who: Owner
) -> None:
    assert owner(kind, published, broker, landed) is who


def test_what_is_on_its_way_is_no_difference() -> None:
    assert kinds(Totals(batches=1, published=10, landed=4, in_flight=6)) == {}
    assert kinds(Totals(batches=1, published=10, landed=9, lost=1, duplicated=2)) == {Kind.LOST: 1, Kind.DUPLICATED: 2}
