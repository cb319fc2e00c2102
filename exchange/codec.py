"""Records in Confluent's wire format: ``0x00``, the schema id in 4 bytes (big endian), the Avro datum.

``exchange.encoder`` and ``exchange.decoder`` do the work; fastavro reads records of other versions.
Source: Confluent, "Formats, Serializers, and Deserializers".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

from fastavro import parse_schema, schemaless_reader
from fastavro.read import SchemaResolutionError

from exchange.avro import Schema
from exchange.column_encoder import make_row_encoder
from exchange.columnar import ColumnarRows
from exchange.decoder import FAULTS, make_decoder
from exchange.encoder import make_encoder
from exchange.errors import ExchangeError, NotFound
from exchange.items import KeyCodec, Row
from exchange.text import Text
from exchange.wire import HEADER_BYTES, MAGIC, schema_id_of, wire_header


class BadWire(ExchangeError):
    """Bytes that are not a record in the wire format."""

    code = "bad_wire"
    text = Text("not a record of this resource: {reason}", "不是该资源的记录：{reason}")
    hint = Text(
        "The publisher must use the resource's schema; see the topic's owner in the catalogue.",
        "发布方须使用该资源的 schema；请在目录中联系提供方。",
    )


class RecordCodec:
    """Rows of one resource to bytes and back; values of the row are in the order of the schema's fields."""

    def __init__(self, schema: Schema, schema_id: int, schema_of: Callable[[int], Schema]) -> None:
        """``schema_of`` returns the schema of another id; it is called once for each id."""
        self.schema_id = schema_id
        self.header = wire_header(schema_id)
        self._names = tuple(field["name"] for field in schema["fields"])
        self._schema = _parsed(schema)
        self._encode = make_encoder(schema)
        self._encode_rows = make_row_encoder(schema)
        self._decode = make_decoder(schema)
        self._writers: dict[int, Schema | None] = {schema_id: self._schema}  # None: no schema has this id
        self._schema_of = schema_of

    def encode(self, row: Row) -> bytes:
        """Return the Avro datum of ``row``, without the wire header; the row must have passed check_row."""
        return self._encode(row)

    def encode_rows(self, rows: Sequence[Row]) -> list[bytes]:
        """Return the data of many rows, each as ``encode`` makes it."""
        return self._encode_rows(rows)

    def records(self, keys: KeyCodec, rows: Sequence[Row]) -> tuple[list[bytes], list[bytes]]:
        """Return keys and data of rows that have passed ``exchange.values.row_checker``."""
        if isinstance(rows, ColumnarRows):
            return rows.records()
        return list(map(keys.encode, rows)), self._encode_rows(rows)

    def decode(self, value: bytes) -> Row:
        """Return the row in ``value`` (with its wire header), as this codec's schema sees it. Errors: BadWire."""
        if len(value) < HEADER_BYTES or value[:1] != MAGIC:
            raise BadWire(reason=Text("the wire header is missing", "缺少格式头"))
        schema_id = schema_id_of(value)
        if schema_id != self.schema_id:
            return self._resolve(value, self._writer(schema_id))
        try:
            return self._decode(value, HEADER_BYTES)
        except FAULTS as exc:
            raise BadWire(reason=f"{exc.__class__.__name__}") from exc

    def _resolve(self, value: bytes, writer: Schema) -> Row:
        """Decode a record of another version of the schema."""
        stream = BytesIO(value)
        stream.seek(HEADER_BYTES)
        try:
            record = schemaless_reader(stream, writer, self._schema)
        except (ValueError, TypeError, EOFError, IndexError, OverflowError, KeyError, SchemaResolutionError) as exc:
            raise BadWire(reason=f"{exc.__class__.__name__}") from exc
        if stream.tell() != len(value):
            raise BadWire(reason=Text("bytes are left over", "有多余字节"))
        assert isinstance(record, dict)
        return tuple(record[name] for name in self._names)

    def _writer(self, schema_id: int) -> Schema:
        """Errors: BadWire: whoever may write can name any id, and must not stop those who read."""
        if schema_id not in self._writers:
            try:
                self._writers[schema_id] = _parsed(self._schema_of(schema_id))
            except NotFound:
                self._writers[schema_id] = None
        known = self._writers[schema_id]
        if known is None:
            raise BadWire(reason=Text(f"no schema has the id {schema_id}", f"不存在编号为 {schema_id} 的 schema"))
        return known


def _parsed(schema: Schema) -> Schema:
    parsed = parse_schema(schema, named_schemas={})
    assert isinstance(parsed, dict)
    return parsed
