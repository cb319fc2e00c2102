"""What is said of each batch, in the log and as a span: its id joins its publication with its landings."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from exchange import tracing
from exchange.logs import BATCH
from exchange.publisher import Batch
from exchange.receipts import Receipt
from exchange.tracing import TRACING

log = logging.getLogger("exchange.batches")


def published(name: str, resource: str, batch: Batch, seconds: float) -> None:
    """Tell of a batch that is committed; one that stayed empty is none."""
    if not batch.count:
        return
    said, ids = "%s: published %d records of %s, %d deletes, in %.0f ms", {BATCH: batch.id.hex}
    log.info(said, name, batch.count, resource, batch.deletes, seconds * 1000, extra={"ids": ids})
    if TRACING.on:
        facts: dict[str, tracing.Value] = {
            "exchange.adapter": name,
            "exchange.resource": resource,
            "exchange.records": batch.count,
        }
        TRACING.record("publish", tracing.published(batch.id.hex), seconds, facts)


def landed(name: str, receipts: Sequence[Receipt], seconds: float) -> None:
    """Tell of the batches, or parts of them, that one landing held."""
    for receipt in receipts:
        if not receipt.batch:
            continue
        said, ids = "%s: landed %d records of %s, %d deletes, in %.0f ms", {BATCH: receipt.batch}
        log.info(said, name, receipt.count, receipt.resource, receipt.deletes, seconds * 1000, extra={"ids": ids})
        if TRACING.on:
            facts: dict[str, tracing.Value] = {
                "exchange.adapter": name,
                "exchange.resource": receipt.resource,
                "exchange.records": receipt.count,
            }
            TRACING.record("land", tracing.landed(receipt.batch), seconds, facts)
