"""The chain names the first entry that was changed, removed, inserted or moved, however it was tried."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.audit.chain import Anchor, Tampering, verify
from registry.audit.domain import NOTHING, Algorithm, Entry, canonical
from registry.audit.signing import Head, HeadSigner

START = datetime(2026, 2, 14, 8, 30, tzinfo=UTC)
COUNT = 60
Chain = list[Entry]


def chain(count: int = COUNT, algorithm: Algorithm = Algorithm.SHA256) -> Chain:
    entries: Chain = []
    previous = NOTHING
    for number in range(1, count + 1):
        entry = sealed(number, f"grant/{number}", previous, algorithm)
        entries.append(entry)
        previous = entry.hash
    return entries


def sealed(number: int, target: str, previous: str, algorithm: Algorithm = Algorithm.SHA256) -> Entry:
    bare = Entry(
        number=number,
        at=START + timedelta(seconds=number),
        actor="王-admin",
        action="grant.revoke",
        target=target,
        facts=canonical({"reason": "期满", "n": number}),
        previous=previous,
        hash=f"{algorithm.value}:",
    )
    return replace(bare, hash=bare.proof())


def renumbered(entries: Chain) -> Chain:
    return [replace(entry, number=number) for number, entry in enumerate(entries, 1)]


def rechained(entries: Chain, start: int) -> Chain:
    """The entries from index ``start`` on, with all hashes computed anew: what one who knows the code would do."""
    done = entries[:start]
    for entry in entries[start:]:
        previous = done[-1].hash if done else NOTHING
        fresh = replace(entry, number=len(done) + 1, previous=previous)
        done.append(replace(fresh, hash=fresh.proof()))
    return done


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_good_chain_is_intact(algorithm: Algorithm) -> None:
    entries = chain(algorithm=algorithm)
    verdict = verify(entries, [Anchor(20, entries[19].hash), Anchor(COUNT, entries[-1].hash)])
    assert verdict.intact
    assert (verdict.entries, verdict.last.number) == (COUNT, COUNT)
    assert entries[0].hash.startswith(f"{algorithm.value}:")


def test_the_form_of_the_hash_is_fixed() -> None:
    """An auditor's own program has to find the same: the SHA-256 of this text."""
    text = (
        '{"action":"grant.revoke","actor":"王-admin","at":"2026-02-14T08:30:01.000000Z",'
        '"facts":{"n":1,"reason":"期满"},"number":1,"previous":"","target":"grant/1"}'
    )
    assert sealed(1, "grant/1", NOTHING).hash == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def changed(entries: Chain, at: int) -> Chain:
    return [*entries[:at], replace(entries[at], target="grant/9999"), *entries[at + 1 :]]


def changed_and_sealed(entries: Chain, at: int) -> Chain:
    entry = replace(entries[at], actor="nobody")
    return [*entries[:at], replace(entry, hash=entry.proof()), *entries[at + 1 :]]


def link_changed(entries: Chain, at: int) -> Chain:
    return [*entries[:at], replace(entries[at], previous=entries[3].hash), *entries[at + 1 :]]


def removed(entries: Chain, at: int) -> Chain:
    return [*entries[:at], *entries[at + 1 :]]


def removed_and_renumbered(entries: Chain, at: int) -> Chain:
    return renumbered(removed(entries, at))


def removed_and_relinked(entries: Chain, at: int) -> Chain:
    return [*entries[:at], replace(entries[at + 1], previous=entries[at - 1].hash), *entries[at + 2 :]]


def swapped(entries: Chain, at: int) -> Chain:
    return [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]]


def swapped_and_renumbered(entries: Chain, at: int) -> Chain:
    return renumbered(swapped(entries, at))


def moved_far(entries: Chain, at: int) -> Chain:
    return renumbered([*entries[:at], *entries[at + 1 : 50], entries[at], *entries[50:]])


def inserted(entries: Chain, at: int) -> Chain:
    forged = sealed(at + 1, "grant/forged", entries[at - 1].hash)
    return [*entries[:at], forged, *entries[at:]]


def inserted_and_renumbered(entries: Chain, at: int) -> Chain:
    return renumbered(inserted(entries, at))


def doubled(entries: Chain, at: int) -> Chain:
    return renumbered([*entries[:at], entries[at - 5], *entries[at:]])


@pytest.mark.parametrize(
    ("manipulate", "kind"),
    [
        (changed, Tampering.CHANGED),
        (changed_and_sealed, Tampering.CHANGED),
        (link_changed, Tampering.CHANGED),
        (removed, Tampering.REMOVED),
        (removed_and_renumbered, Tampering.REMOVED),
        (removed_and_relinked, Tampering.REMOVED),
        (swapped, Tampering.REORDERED),
        (swapped_and_renumbered, Tampering.REORDERED),
        (moved_far, Tampering.REORDERED),
        (inserted, Tampering.INSERTED),
        (inserted_and_renumbered, Tampering.INSERTED),
        (doubled, Tampering.INSERTED),
    ],
)
@pytest.mark.parametrize("at", [10, 31, 47])
def test_each_manipulation_is_found_and_the_entry_named(
    manipulate: Callable[[Chain, int], Chain], kind: Tampering, at: int
) -> None:
    verdict = verify(manipulate(chain(), at))
    assert (verdict.kind, verdict.number) == (kind, at + 1)


def test_what_is_gone_at_the_end_is_missed_by_the_signed_head() -> None:
    entries = chain()
    cut = entries[:40]
    assert verify(cut).intact  # the chain alone cannot know
    verdict = verify(cut, [Anchor(COUNT, entries[-1].hash)])
    assert (verdict.kind, verdict.number) == (Tampering.REMOVED, 41)


def test_a_chain_that_was_computed_anew_is_not_the_signed_one() -> None:
    entries = chain()
    anchors = [Anchor(number, entries[number - 1].hash) for number in (20, 40, 60)]
    forged = rechained(changed(entries, 29), 29)
    assert verify(forged).intact
    verdict = verify(forged, anchors)
    assert (verdict.kind, verdict.number, verdict.until) == (Tampering.REWRITTEN, 21, 40)


def test_any_tampering_at_all_is_found() -> None:
    entries = chain()
    anchor = [Anchor(COUNT, entries[-1].hash)]
    dice = random.Random(7440)
    for _ in range(500):
        forged = list(entries)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(1, len(forged) - 2)
            manipulate = dice.choice([changed, changed_and_sealed, removed, swapped, inserted])
            forged = manipulate(forged, at)
        if dice.random() < 0.5:
            forged = rechained(forged, 0)
        assert verify(forged, anchor).intact == (forged == entries)


def test_an_export_begins_after_a_signed_head() -> None:
    entries = chain()
    start = Anchor(20, entries[19].hash)
    assert verify(entries[20:], start=start).intact
    assert verify(entries[21:], start=start).kind is Tampering.REMOVED


def test_entries_survive_an_export() -> None:
    entries = chain(3)
    assert [Entry.from_json(entry.as_json()) for entry in entries] == entries


def test_long_facts_are_told_by_their_digest() -> None:
    assert len(canonical({"items": ["x" * 100] * 1000})) < 200


def test_a_head_is_signed_once_and_for_all(tmp_path: Path) -> None:
    signer = HeadSigner(tmp_path)
    head = signer.sign(Head("440000", 7, "sha256:00", START))
    again = HeadSigner(tmp_path)
    assert again.kid == signer.kid
    assert head.is_signed_by(again.public_keys())
    assert Head.from_json(head.as_json()) == head
    assert not replace(head, number=8).is_signed_by(again.public_keys())
    assert not replace(head, signature="no").is_signed_by(again.public_keys())
    assert not head.is_signed_by({head.kid: HeadSigner(tmp_path / "other").public_keys().popitem()[1]})
    assert (tmp_path / "head.pem").stat().st_mode & 0o777 == 0o600
