"""Receipts: however a batch is cut into landings, its parts add up; what is no receipt is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.contract import Contract
from exchange.receipts import MODULUS, Receipt, Side, landed_receipts, record_digest, set_digest
from exchange.record import Marks, Received, next_offsets

CONTRACT = Contract("r-1", "资源", 1, "440000.r-1", "440000.r-1.rejects", 1, {}, (), may_read=True, may_write=False)

RECORDS = st.lists(
    st.tuples(st.sampled_from(["a1", "b2", "c3"]), st.integers(0, 1), st.binary(min_size=1, max_size=8), st.booleans()),
    max_size=40,
)


def received(made: list[tuple[str, int, bytes, bool]]) -> list[Received]:
    """Records in the order of their offsets, each partition counting for itself."""
    offsets = {0: 0, 1: 0}
    records = []
    for batch, partition, key, deleted in made:
        value = None if deleted else b"v" + key
        digest = record_digest(key, value)
        records.append(
            Received(key, None if deleted else (key.hex(),), partition, offsets[partition], 0, batch, digest)
        )
        offsets[partition] += 1
    return records


def landed(records: list[Received]) -> list[Receipt]:
    return landed_receipts(Marks.of(records), CONTRACT, "city", "in", "landing", 0)


@given(RECORDS, st.integers(0, 40))
def test_the_parts_of_a_batch_add_up_wherever_a_landing_was_cut(
    made: list[tuple[str, int, bytes, bool]], cut: int
) -> None:
    records = received(made)
    parts = landed(records[:cut]) + landed(records[cut:])
    for batch in {record.batch for record in records}:
        mine = [record for record in records if record.batch == batch]
        of_batch = [part for part in parts if part.batch == batch]
        assert sum(part.count for part in of_batch) == len(mine)
        assert sum(part.deletes for part in of_batch) == sum(record.row is None for record in mine)
        assert sum(int(part.digest, 16) for part in of_batch) % MODULUS == set_digest(r.digest for r in mine)
    assert len({part.id for part in parts}) == len(parts)


@given(RECORDS)
def test_receipts_survive_the_wire(made: list[tuple[str, int, bytes, bool]]) -> None:
    for receipt in landed(received(made)):
        assert receipt.side is Side.LANDED
        assert Receipt.from_bytes(receipt.to_bytes()) == receipt


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"side": "published"}', b"\xff", b'{"id": 1, "side": "stolen", "digest": "xyz"}']
)
def test_what_is_no_receipt_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a receipt"):
        Receipt.from_bytes(data)


def test_a_value_and_its_absence_differ() -> None:
    assert record_digest(b"k", b"") != record_digest(b"k", None)
    assert record_digest(b"k", b"v") != record_digest(b"kv", b"")


def test_the_next_offset_is_after_the_last_record() -> None:
    made = [("a1", 0, b"x", False), ("a1", 1, b"y", False), ("a1", 0, b"z", True)]
    assert next_offsets(received(made)) == {0: 2, 1: 1}
