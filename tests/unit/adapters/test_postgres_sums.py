from __future__ import annotations

from adapters.postgres_catalog import Column, Table
from adapters.postgres_sums import Summary, Sums, unequal_sums
from adapters.postgres_values import BPCHAR, INT4, INT8, NUMERIC, TEXT_OID, TIMESTAMP, VARCHAR, ColumnKind
from exchange.items import Item, ItemType
from tests.support.adapters import stream_of

ITEMS = (Item("id", "编号", ItemType.TEXT, length=9, primary_key=True), Item("n", "数", ItemType.NUMBER, length=9))


def sums(*oids: int) -> Sums:
    columns = {
        item.name: Column(item.name, oid, -1, "t", ColumnKind(oid, -1), not_null=False, generated=False, readable=True)
        for item, oid in zip(ITEMS, oids, strict=True)
    }
    return Sums(stream_of(ITEMS), Table(1, "public", "t", "r", False, columns, (), frozenset()))


def test_only_types_whose_text_is_their_value_are_summed_up_by_the_server() -> None:
    assert sums(VARCHAR, INT4).exact
    assert sums(TEXT_OID, NUMERIC).exact
    assert not sums(BPCHAR, INT4).exact, "the blanks at the end of char(n) are part of its value"
    assert not sums(VARCHAR, TIMESTAMP).exact, "what instant it is depends on the zone in the adapter's file"


def test_tables_of_other_types_are_not_compared_by_sums() -> None:
    one = Summary(sums(VARCHAR, INT4)._shape, {1: (1, 5), 2: (1, 6), 3: (1, 7)})
    same_kind = Summary(sums(TEXT_OID, INT8)._shape, {1: (1, 5), 2: (1, 9), 4: (1, 7)})
    other = Summary(sums(VARCHAR, NUMERIC)._shape, {1: (1, 5), 2: (1, 6), 3: (1, 7)})
    assert unequal_sums(one, same_kind) == [2, 3, 4]
    assert unequal_sums(one, one) == []
    assert unequal_sums(one, other) is None
