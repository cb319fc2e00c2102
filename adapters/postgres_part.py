"""A process that reads one part of a table, as ``adapters.postgres_parts`` asks: ``python -m … FD``."""

from __future__ import annotations

import sys
from contextlib import closing, suppress
from multiprocessing.connection import Connection as Channel

from adapters.postgres_parts import Failed, Job, Piece
from adapters.protocol import ReadBatch, Stream
from adapters.source_postgres import open_source
from exchange.codec import RecordCodec
from exchange.errors import ExchangeError
from exchange.items import KeyCodec


class Packer:
    """Makes pieces of batches: records where the contract's schema is that of the stream's items."""

    def __init__(self, stream: Stream) -> None:
        contract = stream.contract
        self._direct = [field["name"] for field in contract.schema["fields"]] == [item.name for item in stream.items]
        if self._direct:  # behind a mapping the stream has other items than the resource
            self._codec = RecordCodec(contract.schema, contract.schema_id, lambda _id: contract.schema)
            self._keys = KeyCodec(stream.items)

    def piece(self, batch: ReadBatch) -> Piece:
        """Return a batch as it is sent."""
        if not self._direct:
            return Piece(batch.rejects, None, list(batch.rows))
        return Piece(batch.rejects, self._codec.records(self._keys, batch.rows), ())


def main() -> None:
    """Read what the other end asks for, and send it; without the other end, leave."""
    channel = Channel(int(sys.argv[1]))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        job: Job = channel.recv()
        try:
            _send(channel, job)
        except ExchangeError as exc:
            channel.send(Failed(type(exc), exc.facts))
        else:
            channel.send(None)


def _send(channel: Channel, job: Job) -> None:
    packer = Packer(job.stream)
    with closing(open_source(job.config, job.stream)) as source:
        source.connect()
        for batch in source.part(job.snapshot, job.where):
            if not batch.empty:
                channel.send(packer.piece(batch))


if __name__ == "__main__":
    main()
