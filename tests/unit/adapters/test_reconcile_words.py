from __future__ import annotations

import pytest

from adapters.reconcile_words import Finding, Kind, Owner, Record, Words, finding_of, kind_of, owner_of
from exchange.tally import GONE

A, B, C = 10, 11, 12
BATCH = "5f" * 16


def at(digest: int, batch: str = BATCH) -> Record:
    return Record(digest, place="0-7", batch=batch)


@pytest.mark.parametrize(
    ("reference", "checked", "kind"),
    [(A, GONE, Kind.MISSING), (GONE, A, Kind.EXTRA), (A, B, Kind.DIFFERING)],
)
def test_what_is_wrong_with_a_key(reference: int, checked: int, kind: Kind) -> None:
    assert kind_of(reference, checked) is kind


@pytest.mark.parametrize(
    ("source", "topic", "destination", "owner"),
    [
        (A, Record(), None, Owner.PUBLISHER),  # never published
        (A, at(B), None, Owner.PUBLISHER),
        (GONE, at(A), None, Owner.PUBLISHER),  # its delete was not published
        (A, at(GONE, ""), None, Owner.BROKER),  # a delete that no publisher sent
        (A, at(B, ""), None, Owner.BROKER),
        (None, at(A), B, Owner.SUBSCRIBER),
        (None, at(A), GONE, Owner.SUBSCRIBER),
        (None, at(GONE), A, Owner.SUBSCRIBER),  # a delete that was not landed
        (None, Record(), A, Owner.UNKNOWN),  # made there by hand, or lost at the broker
        (A, at(A), B, Owner.SUBSCRIBER),
        (A, at(B), B, Owner.PUBLISHER),
        (A, at(GONE), A, Owner.BROKER),  # both tables have it
        (A, Record(), A, Owner.BROKER),
        (A, at(B), C, Owner.PUBLISHER),
    ],
)
def test_who_stands_alone_answers(source: int | None, topic: Record, destination: int | None, owner: Owner) -> None:
    assert owner_of(Words(source, topic, destination)) is owner


def test_a_finding_names_the_record_at_the_topic() -> None:
    assert finding_of(b"k", Words(A, at(B), None)) == Finding(b"k", Kind.DIFFERING, Owner.PUBLISHER, "0-7", BATCH)
    assert finding_of(b"k", Words(A, Record(), None)) == Finding(b"k", Kind.MISSING, Owner.PUBLISHER, None, "")
