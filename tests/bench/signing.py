"""What signing costs: CPU of one receipt, signed and not, of verifying one, and of a certificate's sheet of a day."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

from exchange.certificate import sheet_of
from exchange.receipts import Receipt, Side
from exchange.signing import SigningKey
from tests.bench.book import Bench

CALLS, ROUNDS = 3000, 7
DAY = 86_400  # receipts: one a second

RECEIPT = Receipt(
    id=uuid.uuid4().hex,
    side=Side.LANDED,
    resource="307440000-000001",
    topic="440000.307440000-000001",
    client_id="440600-mz-villages",
    adapter="villages",
    batch=uuid.uuid4().hex,
    count=5000,
    deletes=3,
    digest="f" * 32,
    schema_id=7,
    at=1_764_000_000_000,
    partition=0,
    first_offset=5,
    last_offset=5004,
    landing=uuid.uuid4().hex,
)


def run(bench: Bench) -> None:
    """Add microseconds of CPU, medians, and the seconds of a sheet."""
    key = SigningKey.generate()
    signed = RECEIPT.signed(key)
    bench.add("signing/unsigned receipt", _cpu(RECEIPT.to_bytes), "us")
    bench.add("signing/signed receipt", _cpu(lambda: RECEIPT.signed(key).to_bytes()), "us")
    bench.add("signing/verify", _cpu(lambda: signed.is_signed_by(key.jwk)), "us")
    many = [replace(RECEIPT, id=str(n), at=n) for n in range(DAY)]
    began = time.process_time()
    sheet_of(many, RECEIPT.client_id, 0, DAY)
    bench.add("signing/sheet of a day", time.process_time() - began, "s")


def _cpu(once: Callable[[], object]) -> float:
    """Return the microseconds of CPU of one call: the median of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            once()
        rounds.append((time.process_time() - began) / CALLS * 1e6)
    return statistics.median(rounds)
