from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.protocol import ReadBatch, Reject, Source, Stream
from exchange.avro import record_schema
from exchange.contract import Contract
from exchange.items import Item, Row


def contract_of(items: Sequence[Item], resource: str = "307440000000-000001") -> Contract:
    """A contract that no registry has seen, for what needs no broker."""
    return Contract(
        resource=resource,
        name="测试资源",
        version=1,
        topic=f"440000.{resource}",
        rejects_topic=f"440000.{resource}.rejects",
        schema_id=1,
        schema=record_schema(resource, items),
        items=tuple(items),
        may_read=True,
        may_write=True,
    )


def stream_of(items: Sequence[Item], columns: Mapping[str, str] | None = None, batch_rows: int = 1000) -> Stream:
    return Stream(contract=contract_of(items), columns=columns or {}, batch_rows=batch_rows)


def read_all(source: Source) -> tuple[list[Row], list[Reject]]:
    """One whole pass."""
    batches: list[ReadBatch] = list(source.read(None))
    return [row for b in batches for row in b.rows], [reject for b in batches for reject in b.rejects]
