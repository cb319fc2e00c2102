"""A source behind its mapping and rules: any source reads columns as found, and this makes items of them.

The source inside is given a contract whose items are the columns that are needed: an item that nothing is done to is
read as it is, every other column as text. So no source knows of mapping, and one without any is not wrapped.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.coerce import as_text, exact, key_of
from adapters.mapping import Mapped, text_maker
from adapters.mapping_steps import compiled
from adapters.protocol import Coverage, Finding, Position, ReadBatch, Reject, Source, Stream
from adapters.quality import QualityRule, Unique, rules_of
from exchange.errors import BadRecord, ConfigError
from exchange.items import Item, ItemType, KeyCodec, Row, Value
from exchange.text import Text
from exchange.values import parse, row_checker

Rules = Mapping[str, Sequence[QualityRule]]
Findings = Counter[Finding]


class Maker:
    """Makes the values of one item from columns that were read as text; repairs what its rules refuse."""

    def __init__(
        self,
        item: Item,
        mapped: Mapped,
        places: Sequence[int],
        rules: Sequence[QualityRule],
        zone: ZoneInfo,
        file: Path,
    ) -> None:
        self.item = item
        self.places = places
        self._text = text_maker(item, mapped, file)
        self._zone = zone
        self._check = row_checker([item])
        mending = [rule for rule in rules if rule.action == "repair"]
        self._must = [made for rule in mending for made in rules_of(item, rule, file)]
        self._mend = compiled([step for rule in mending for step in rule.repair]) if mending else None

    def value(self, raw: Row, found: Findings | None) -> Value:
        """Return the item's value in the row ``raw``; a repair is counted. Errors: BadRecord."""
        text = self._text([raw[at] for at in self.places])  # type: ignore[misc] # these columns are read as text
        try:
            return self._finished(text)
        except BadRecord as fault:
            mended = self._mend(text) if self._mend and text else text
            if mended == text:
                raise
            value = self._finished(mended)
            if found is not None:
                found[Finding(self.item.name, fault.rule, "repair")] += 1
            return value

    def _finished(self, text: str | None) -> Value:
        value = exact(self.item, parse(self.item, text, self._zone)) if text else None
        self._check((value,))
        for rule in self._must:
            if not rule.holds(value):
                raise rule.fault()
        return value


class Plan:
    """Which columns are read for which items, and what is asked of the values."""

    def __init__(
        self, stream: Stream, mapping: Mapping[str, Mapped], quality: Rules, zone: ZoneInfo, file: Path
    ) -> None:
        self.items = stream.items
        self._columns = stream.columns
        mended = {name for name, rules in quality.items() if any(rule.action == "repair" for rule in rules)}
        touched = set(mapping) | mended
        self._inner: list[Item] = []
        self._inner_columns: dict[str, str] = {}
        self._raw: dict[str, int] = {}  # place of a column that is read as text
        self.direct: list[int] = []  # for each item its place in a row as read; -1: it is made
        self.makers: list[tuple[int, Maker]] = []
        for at, item in enumerate(self.items):
            if item.name in touched:
                mapped = mapping.get(item.name, Mapped())
                places = [self._read_text(name, item) for name in mapped.read_from(stream.column(item))]
                self.makers.append((at, Maker(item, mapped, places, quality.get(item.name, ()), zone, file)))
                self.direct.append(-1)
            else:
                self.direct.append(self._read_as_is(item, stream.column(item)))
        self.rules = [
            (at, rule)
            for at, item in enumerate(self.items)
            for given in quality.get(item.name, ())
            if given.action != "repair"
            for rule in rules_of(item, given, file)
        ]
        self.key_made = any(maker.item.primary_key for _, maker in self.makers)
        self.stream = replace(
            stream,
            contract=replace(stream.contract, items=tuple(self._inner)),
            columns=self._inner_columns,
            judge=self._judge,
        )
        self._lock = threading.Lock()
        self._judged: Findings = Counter()
        if not any(item.primary_key for item in self._inner):
            raise _constant_key(file, next(item.name for item in self.items if item.primary_key))

    def row(self, raw: Row, found: Findings, *, alone: bool = False) -> Row:
        """Return the items of a row as read; what rules find is counted. Errors: BadRecord.

        ``alone``: the row is not compared with others of its batch.
        """
        values = [raw[at] for at in self.direct]
        for at, maker in self.makers:
            values[at] = maker.value(raw, found)
        for at, rule in self.rules:
            if (alone and isinstance(rule.holds, Unique)) or rule.holds(values[at]):
                continue
            if rule.action != "warn":
                raise rule.fault()
            found[Finding(rule.item.name, rule.name, "warn")] += 1
        return tuple(values)

    def judged(self) -> Findings:
        """Return what was refused by ``stream.judge`` since the last call: no batch will hold these rows."""
        with self._lock:
            found, self._judged = self._judged, Counter()
        return found

    def _judge(self, raw: Row) -> None:
        try:
            self.row(raw, Counter(), alone=True)
        except BadRecord as fault:
            with self._lock:
                self._judged[Finding(fault.item, fault.rule, "reject")] += 1
            raise

    def column(self, item: Item) -> str:
        """Return the column that a reject of ``item`` names: the first that it is made of."""
        for _, maker in self.makers:
            if maker.item is item and maker.places:
                return self.stream.column(self._inner[maker.places[0]])
        return self._columns.get(item.name, item.name)

    def _read_as_is(self, item: Item, column: str) -> int:
        self._inner.append(item)
        if column != item.name:
            self._inner_columns[item.name] = column
        return len(self._inner) - 1

    def _read_text(self, column: str, item: Item) -> int:
        """A column that a part of the key is made of is a part of the source's key: it is never empty."""
        at = self._raw.get(column)
        if at is None:
            taken = {known.name for known in (*self.items, *self._inner)}
            name = column if column not in taken else f"{column} (text)"
            self._inner.append(Item(name, column, ItemType.TEXT, primary_key=item.primary_key))
            self._inner_columns[name] = column
            at = self._raw[column] = len(self._inner) - 1
        elif item.primary_key:
            self._inner[at] = replace(self._inner[at], primary_key=True)
        return at


class MappedSource:
    """The source of an adapter file that has ``[mapping]`` or ``[quality]``."""

    def __init__(self, inner: Source, plan: Plan) -> None:
        self._inner = inner
        self._plan = plan
        self._keys = KeyCodec(plan.items)
        self._inner_keys = KeyCodec(plan.stream.items)
        self._found: Findings = Counter()
        self._batch_wide = [rule.holds for _, rule in plan.rules if isinstance(rule.holds, Unique)]

    @property
    def place(self) -> str:
        """File or table, as the source inside names it."""
        return self._inner.place

    @property
    def keyed(self) -> bool:
        """A key that is made of columns may come out equal for two rows."""
        return self._inner.keyed and not self._plan.key_made

    @property
    def inner(self) -> Source:
        """The source inside."""
        return self._inner

    def table(self) -> Generator[ReadBatch]:
        """Yield what the source inside has, if it is a table, made into items."""
        yield from map(self._made, self._inner.table())  # type: ignore[attr-defined] # asked of a table only

    def rows(self, keys: Sequence[bytes]) -> Generator[ReadBatch]:
        """Yield the rows of some keys, made into items; who is ``keyed`` has the keys of the source inside."""
        yield from map(self._made, self._inner.rows(keys))  # type: ignore[attr-defined] # asked of a table only

    def __getattr__(self, name: str) -> Any:
        """Hand on whatever a source offers beyond the protocol."""
        return getattr(self._inner, name)

    def connect(self) -> None:
        """Open the source inside."""
        self._inner.connect()

    def coverage(self, position: Position | None) -> Coverage:
        """Return what the source inside shows."""
        return self._inner.coverage(position)

    def changed(self) -> bool:
        """Return what the source inside says."""
        return self._inner.changed()

    def read(self, position: Position | None) -> Generator[ReadBatch]:
        """Yield the batches of the source inside, their rows made into items."""
        with closing(self._inner.read(position)) as batches:
            for batch in batches:
                yield self._made(batch)

    def close(self) -> None:
        """Close the source inside."""
        self._inner.close()

    def _made(self, batch: ReadBatch) -> ReadBatch:
        self._found = self._plan.judged()
        for unique in self._batch_wide:
            unique.clear()
        rows: list[Row] = []
        lines: list[int] = []
        rejects = [self._renamed(reject) for reject in batch.rejects] if self._plan.key_made else [*batch.rejects]
        deleted = [self._key(key) for key in batch.deleted] if self._plan.key_made else batch.deleted
        for at, raw in enumerate(batch.rows):
            line = batch.lines[at] if at < len(batch.lines) else None
            try:
                rows.append(self._plan.row(raw, self._found))
            except BadRecord as fault:
                rejects.append(self._reject(raw, line, fault))
                continue
            if line is not None:
                lines.append(line)
        return replace(
            batch,
            rows=rows,
            lines=lines,
            deleted=[key for key in deleted if key is not None],
            rejects=rejects,
            findings=dict(self._found),
        )

    def _reject(self, raw: Row, line: int | None, fault: BadRecord) -> Reject:
        self._found[Finding(fault.item, fault.rule, "reject")] += 1
        item = next(item for item in self._plan.items if item.name == fault.item)
        return Reject(
            place=self.place,
            line=line,
            column=self._plan.column(item),
            rule=fault.rule,
            reason=fault.reason,
            raw=as_text(self._plan.stream.items, raw),
            key=self._key_of(raw),
        )

    def _renamed(self, reject: Reject) -> Reject:
        return reject if reject.key is None else replace(reject, key=self._key(reject.key))

    def _key(self, key: bytes) -> bytes | None:
        """Return the resource's key for a key as the source inside names it; None when it cannot be made."""
        parts = iter(self._inner_keys.decode(key, parse))
        return self._key_of(tuple(next(parts) if item.primary_key else None for item in self._plan.stream.items))

    def _key_of(self, raw: Row) -> bytes | None:
        values = [raw[at] for at in self._plan.direct]
        try:
            for at, maker in self._plan.makers:
                values[at] = maker.value(raw, None) if maker.item.primary_key else None
        except BadRecord:
            return None
        return key_of(self._plan.items, tuple(values))


def verify_names(mapping: Mapping[str, Mapped], quality: Rules, items: Sequence[Item], file: Path) -> None:
    """Raise ConfigError for an item that the resource does not have, or whose type cannot be made of text."""
    known = {item.name: item for item in items}
    for group, names in (("mapping", mapping), ("quality", quality)):
        for name in names:
            if name not in known:
                raise ConfigError(
                    file=file,
                    key=f"{group}.{name}",
                    expected=Text(f"an item: {', '.join(known)}", f"信息项之一：{'、'.join(known)}"),
                    found=Text("an item that the resource does not have", "资源中没有的信息项"),
                    example=f"[{group}.{items[0].name}]",
                )
            if group == "mapping" and known[name].type is ItemType.BINARY:
                raise ConfigError(
                    file=file,
                    key=f"{group}.{name}",
                    expected=Text("an item that can be written as text", "可用文本表示的信息项"),
                    found=Text("bytes (type G)", "字节（G 型）"),
                    example=f'[adapter.columns]\\n{name} = "…"',
                )


def _constant_key(file: Path, name: str) -> ConfigError:
    return ConfigError(
        file=file,
        key=f"mapping.{name}",
        expected=Text("a primary key that is made of a column", "主键至少来自一列"),
        found=Text("a constant: all rows would be one", "常量：所有记录将成为同一条"),
        example='from = "ID"',
    )
