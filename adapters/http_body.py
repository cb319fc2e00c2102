"""What a department's system posts, made into rows: JSON or an Avro container, checked one by one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import Any

import fastavro
from fastavro.read import LOGICAL_READERS
from fastavro.schema import SchemaParseException, UnknownType

from adapters.coerce import TEXTS, coerce, size_checker, text_reader
from adapters.http_problems import Malformed, TooLarge, UnsupportedMedia
from adapters.protocol import Reject, Stream
from exchange.errors import BadRecord
from exchange.items import Item, KeyCodec, Row, Value
from exchange.text import Text
from exchange.values import row_checker

JSON = "application/json"
AVRO = frozenset({"application/vnd.apache.avro", "avro/binary", "application/avro"})
PLAIN_AVRO = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string", "enum", "fixed"})
AVRO_FAULTS = (
    ValueError, EOFError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError, MemoryError,
    struct.error, InvalidOperation, SchemaParseException, UnknownType,
)  # fmt: skip
Change = tuple[bytes, Row | None]

LONGEST_DECIMAL = 64  # bytes
MOST_ZEROS = 400  # more than a double can have
MOST_ERRORS = 100  # that one answer names


@dataclass(slots=True)
class Posted:
    """What one body holds. ``changes``: the row of each key, None for a delete; ``errors``: as answered."""

    changes: dict[bytes, Row | None] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Records that were posted, the wrong ones too."""
        return len(self.changes) + len(self.rejects)


class BodyReader:
    """Reads bodies of one resource. It holds no state: several threads may use it."""

    def __init__(self, stream: Stream, zone: tzinfo, place: str, *, strict: bool = True) -> None:
        """``strict``: a field that is no item is a fault, and what the adapter file's rules refuse is one too."""
        self._strict = strict
        self._judge = stream.judge if strict else None  # who is answered has to know what the rules say too
        self._items = stream.items
        self._most = stream.batch_rows
        self._place = place
        self._names = tuple(stream.column(item) for item in stream.items)
        self._known = frozenset(self._names)
        self._readers = tuple(_reader(item, zone) for item in stream.items)
        self._check = row_checker(stream.items)
        self._check_size = size_checker(stream.items)
        self._keys = KeyCodec(stream.items)
        self._check_key = row_checker([stream.items[at] for at in self._keys.positions])

    def read(self, content_type: str, body: bytes) -> Posted:
        """Return what ``body`` holds. Errors: UnsupportedMedia, Malformed, TooLarge."""
        media = content_type.partition(";")[0].strip().lower()
        if media == JSON:
            return self._posted(*_of_json(body))
        if media in AVRO:
            return self._posted(_of_container(body, self._most), ())
        expected = f"Content-Type: {JSON} | {' | '.join(sorted(AVRO))}"
        raise UnsupportedMedia(found=repr(media[:60]), expected=expected)

    def _posted(self, records: Sequence[Any], deleted: Sequence[Any]) -> Posted:
        if len(records) + len(deleted) > self._most:
            raise TooLarge(limit=self._most, what=Text("records", "条记录"))
        posted = Posted()
        for number, record in enumerate(records, 1):
            self._add(posted, number, record, self.row, "records")
        for number, key in enumerate(deleted, 1):
            self._add(posted, number, key, self._gone, "deleted")
        return posted

    def _add(self, posted: Posted, number: int, found: Any, read: Callable[[Any], Change], part: str) -> None:
        try:
            key, row = read(found)
        except BadRecord as exc:
            self._reject(posted, number, found, exc, part)
            return
        if key in posted.changes:
            first = self._names[self._keys.positions[0]]
            self._reject(posted, number, found, BadRecord(first, "duplicate_key", _TWICE), part)
        else:
            posted.changes[key] = row

    def row(self, record: Any) -> tuple[bytes, Row]:
        """Return key and row of one record. Errors: BadRecord."""
        if not isinstance(record, dict):
            raise BadRecord("-", "not_an_object", Text("an object is expected", "应为对象"))
        if self._strict and not self._known.issuperset(record):
            raise BadRecord(
                "-", "unknown_item", Text("it has an item that the resource has not", "含有资源没有的信息项")
            )
        row = tuple([read(record.get(name)) for read, name in zip(self._readers, self._names, strict=True)])
        self._check(row)
        if self._check_size is not None:
            self._check_size(row)
        if self._judge is not None:
            self._judge(row)
        return self._keys.encode(row), row

    def key(self, record: Any) -> bytes | None:
        """Return the key of a record whose other values may be wrong; None when the key is too."""
        try:
            return self._gone({self._names[at]: record.get(self._names[at]) for at in self._keys.positions})[0]
        except (BadRecord, AttributeError):
            return None

    def _gone(self, given: Any) -> tuple[bytes, None]:
        """A key: an object of the primary key's items, or the value itself when one item is the key."""
        names = [self._names[at] for at in self._keys.positions]
        values = given if isinstance(given, dict) else {names[0]: given}
        if set(values) != set(names):
            raise BadRecord(names[0], "key", Text("each item of the key is expected", "应给出主键的每一项"))
        row: list[Value] = [None] * len(self._items)
        for at in self._keys.positions:
            row[at] = self._readers[at](values[self._names[at]])
        self._check_key(tuple(row[at] for at in self._keys.positions))
        return self._keys.encode(tuple(row)), None

    def _reject(self, posted: Posted, number: int, found: Any, fault: BadRecord, part: str) -> None:
        raw = json.dumps(found, ensure_ascii=False, default=str, separators=(",", ":"))
        posted.rejects.append(Reject(self._place, number, fault.item, fault.rule, fault.reason, raw))
        if len(posted.errors) < MOST_ERRORS:
            reason = {"en": fault.reason.en, "zh": fault.reason.zh}
            error = {"in": part, "row": number, "item": fault.item, "rule": fault.rule, "reason": reason}
            posted.errors.append(error)


def _reader(item: Item, zone: tzinfo) -> Callable[[Any], Value]:
    of_text = text_reader(item, zone)
    if item.type in TEXTS:
        return lambda value: (value or None) if type(value) is str else coerce(item, value, zone)

    def read(value: Any) -> Value:
        if value is None:
            return None
        return of_text(value) if type(value) is str else coerce(item, value, zone)

    return read


def load_json(body: bytes) -> Any:
    """Return the JSON in ``body``; numbers with a point are Decimals, so that none is rounded. Errors: Malformed."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=_exact, parse_constant=_no_number)
    except RecursionError as exc:
        raise Malformed(reason=Text("JSON that is nested too deeply", "JSON 嵌套过深")) from exc
    except ValueError as exc:  # JSONDecodeError and UnicodeDecodeError are; neither text may be told, it quotes values
        raise Malformed(reason=Text("not JSON in UTF-8", "不是 UTF-8 编码的 JSON")) from exc


def _exact(text: str) -> Decimal | str:
    """Return the number; one beyond any item stays text, because to write out 1e999999 would take a minute."""
    number = Decimal(text)
    return number if -MOST_ZEROS < number.adjusted() < MOST_ZEROS else text


def _no_number(word: str) -> None:
    raise ValueError(word)


def _of_json(body: bytes) -> tuple[Sequence[Any], Sequence[Any]]:
    data = load_json(body)
    if isinstance(data, list):
        return data, ()
    if isinstance(data, dict) and data.keys() <= {"records", "deleted"}:
        records, deleted = data.get("records", []), data.get("deleted", [])
        if isinstance(records, list) and isinstance(deleted, list):
            return records, deleted
    raise Malformed(reason=_SHAPE)


def _of_container(body: bytes, most: int) -> list[Any]:
    """Return the records of an Avro container, at most one more than ``most``.

    Its schema is the client's, so only flat ones are read: nested counts of nothing would fill any memory. It must not
    be compressed by itself: gzip around the request is unpacked within bounds.
    """
    found: list[Any] = []
    try:
        reader = fastavro.reader(BytesIO(body))
        if reader.metadata.get("avro.codec", "null") != "null":
            raise UnsupportedMedia(found=f"avro.codec {reader.metadata['avro.codec'][:20]!r}", expected=_CODEC)
        if not _flat(reader.writer_schema):
            raise Malformed(reason=Text("the Avro schema is not a record of plain fields", "Avro schema 不是平面记录"))
        for record in reader:
            found.append(record)
            if len(found) > most:
                break
    except AVRO_FAULTS as exc:
        raise Malformed(reason=Text("not an Avro container file", "不是 Avro 容器文件")) from exc
    return found


def _bounded(read: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reader of decimals that refuses long ones: to make a number of a megabyte takes minutes."""

    def bounded(data: bytes, *about: Any) -> Any:
        if len(data) > LONGEST_DECIMAL:
            raise ValueError(len(data))
        return read(data, *about)

    return bounded


# For all readers of this process; no item has a decimal of more than 38 digits, so none of ours is refused.
for _kind in ("bytes-decimal", "fixed-decimal"):
    LOGICAL_READERS[_kind] = _bounded(LOGICAL_READERS[_kind])


def _flat(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") == "record" and all(map(_plain_field, schema["fields"]))


def _plain_field(described: Mapping[str, Any]) -> bool:
    kind = described["type"]
    kinds: Iterable[Any] = kind if isinstance(kind, list) else [kind]
    return all((one["type"] if isinstance(one, Mapping) else one) in PLAIN_AVRO for one in kinds)


_TWICE = Text("the key is in this batch twice", "同一批次中主键重复")
_SHAPE = Text(
    'a list of records, or {"records": [...], "deleted": [...]}, is expected',
    '应为记录列表，或 {"records": [...], "deleted": [...]}',
)
_CODEC = "avro.codec null (Content-Encoding: gzip)"
