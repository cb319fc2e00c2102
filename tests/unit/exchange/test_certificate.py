"""A certificate: no word of it can be changed unseen, and either side's own receipts prove or disprove it."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.certificate import BadCertificate, canonical, compare, opened, sheet_of, sign, verify
from exchange.receipts import Receipt, Side
from exchange.signing import SigningKey, to_text
from tests.unit.exchange.test_signing import RECEIPT

KEY = SigningKey.generate()
DAY = (1_764_000_000_000, 1_764_086_400_000)
LANDED = [
    replace(RECEIPT, id=f"one:{n}", at=DAY[0] + n, first_offset=n, last_offset=n, digest=f"{n:032x}") for n in range(5)
]
PUBLISHED = [
    Receipt(
        id=f"{n:032x}",
        side=Side.PUBLISHED,
        resource="r-1",
        topic="440000.r-1",
        client_id="province",
        adapter="out",
        batch=f"{n:032x}",
        count=3,
        deletes=0,
        digest=f"{n:032x}",
        schema_id=7,
        at=DAY[0] + n,
    )
    for n in range(4)
]
SAID: dict[str, Any] = {
    "version": 1,
    "node": "440000",
    "resource": "r-1",
    "topic": "440000.r-1",
    "grant": 17,
    "publisher": "province",
    "subscriber": "city",
    "day": "2025-11-25",
    "published": sheet_of(PUBLISHED, "province", *DAY).as_json(),
    "landed": sheet_of(LANDED, "city", *DAY).as_json(),
    "account": {"batches": 4, "published": 12, "landed": 12, "lost": 0},
    "unsigned": {"published": 0, "landed": 0},
    "differences": [{"id": 1, "kind": "lost", "owner": "subscriber", "batch": "0" * 32, "records": 2}],
    "differences_open": 1,
    "revision": 1,
    "issued_at": "2025-11-26T01:00:00+00:00",
    "previous": None,
}
JWS = sign(SAID, KEY)


def places(value: Any, *way: str | int) -> Iterator[tuple[str | int, ...]]:
    """Each single value in a certificate."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, *way, name)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from places(inner, *way, at)
    else:
        yield way


def changed(way: tuple[str | int, ...]) -> dict[str, Any]:
    said = copy.deepcopy(SAID)
    inner: Any = said
    for step in way[:-1]:
        inner = inner[step]
    old = inner[way[-1]]
    inner[way[-1]] = old + 1 if isinstance(old, int) else "x" if old is None else f"{old}x"
    return said


def forged(said: dict[str, Any]) -> str:
    """The signature of the true one under other words."""
    header, _, signature = JWS.split(".")
    return f"{header}.{to_text(canonical(said))}.{signature}"


def test_what_was_signed_is_found_good() -> None:
    assert verify("f", {"jws": JWS, "certificate": SAID}, [SigningKey.generate().jwk, KEY.jwk]) == SAID
    assert opened(JWS) == SAID


@pytest.mark.parametrize("way", list(places(SAID)), ids=lambda way: ".".join(map(str, way)))
def test_no_word_can_be_changed_unseen(way: tuple[str | int, ...]) -> None:
    said = changed(way)
    assert said != SAID
    with pytest.raises(BadCertificate):
        verify("f", {"jws": forged(said)}, [KEY.jwk])
    with pytest.raises(BadCertificate):
        verify("f", {"jws": JWS, "certificate": said}, [KEY.jwk])


def test_only_the_registrys_key_counts_and_only_for_certificates() -> None:
    other = SigningKey.generate()
    header, payload, _ = JWS.split(".")
    none = (
        base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": KEY.kid, "typ": "x"}).encode()).rstrip(b"=").decode()
    )
    token = jwt.encode(SAID, KEY.pem().decode(), algorithm="EdDSA", headers={"kid": KEY.kid})
    shared = jwt.PyJWS().encode(
        canonical(SAID), "s" * 32, algorithm="HS256", headers={"kid": KEY.kid, "typ": "exchange-certificate+jws"}
    )
    kid_of_another = jwt.PyJWS().encode(
        canonical(SAID), other.pem(), algorithm="EdDSA", headers={"kid": KEY.kid, "typ": "exchange-certificate+jws"}
    )
    for bad in (
        sign(SAID, other),
        f"{header}.{payload}.",
        f"{none}.{payload}.",
        token,
        shared,
        kid_of_another,
        "",
        "a.b",
    ):
        with pytest.raises(BadCertificate):
            verify("f", {"jws": bad}, [KEY.jwk])
    for kept in ({}, {"jws": None}, {"certificate": SAID}):
        with pytest.raises(BadCertificate):
            verify("f", kept, [KEY.jwk])
    with pytest.raises(BadCertificate):
        verify("f", {"jws": JWS}, [])


@given(st.permutations(LANDED))
def test_a_sheet_is_the_same_in_every_order_and_when_one_comes_twice(receipts: list[Receipt]) -> None:
    assert sheet_of([*receipts, receipts[0]], "city", *DAY).as_json() == SAID["landed"]


def test_each_side_verifies_alone() -> None:
    everything = [*LANDED, *PUBLISHED, replace(LANDED[0], id="later", at=DAY[1]), replace(LANDED[0], resource="other")]
    assert compare(SAID, everything, "city") == []
    assert compare(SAID, everything, "province") == []
    with pytest.raises(ValueError, match="stranger"):
        compare(SAID, everything, "stranger")


@pytest.mark.parametrize(
    ("own", "fields"),
    [
        (LANDED[:-1], {"receipts", "records", "deletes", "digest", "root", "last_at", "offsets"}),  # one made up
        (
            [*LANDED, replace(LANDED[0], id="new", digest="0" * 32)],
            {"receipts", "records", "deletes", "root"},
        ),  # left out
        ([replace(LANDED[0], adapter="other"), *LANDED[1:]], {"root"}),
        ([replace(LANDED[0], count=4), *LANDED[1:]], {"records", "root"}),
        ([], {"receipts", "records", "deletes", "digest", "root", "first_at", "last_at", "offsets"}),
    ],
)
def test_what_the_registry_left_out_or_made_up_is_found(own: list[Receipt], fields: set[str]) -> None:
    assert {finding.field for finding in compare(SAID, own, "city")} == fields
