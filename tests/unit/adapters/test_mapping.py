from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.coerce import coerce
from adapters.mapping import Mapped
from adapters.mapping_source import MappedSource, Plan, verify_names
from adapters.mapping_steps import compiled
from adapters.protocol import Coverage, Finding, Position, ReadBatch, Reject, Stream
from adapters.quality import QualityRule
from exchange.errors import BadRecord, ConfigError
from exchange.items import Check, Item, ItemType, KeyCodec, Row
from exchange.text import Text
from exchange.values import row_checker
from tests.support.adapters import stream_of

ZONE = ZoneInfo("Asia/Shanghai")
KEY = Item("id", "编号", ItemType.TEXT, length=20, primary_key=True)
NAME = Item("name", "姓名", ItemType.TEXT, length=10)
BORN = Item("born", "出生日期", ItemType.DATE)
SEEN = Item("seen", "登记时间", ItemType.INSTANT)
AMOUNT = Item("amount", "金额", ItemType.NUMBER, length=10, scale=2)
USCC = Item("code", "信用代码", ItemType.TEXT, length=18, check=Check.USCC)

Found = Mapping[str, Any]


class Table:
    """A source over rows given by column, as any source makes them: by the stream that it was told."""

    place = "table"
    keyed = True

    def __init__(self, stream: Stream, rows: Sequence[Found], deleted: Sequence[bytes] = ()) -> None:
        self._stream = stream
        self._rows = rows
        self._deleted = deleted
        self.closed = False

    def connect(self) -> None:
        pass

    def coverage(self, position: Position | None) -> Coverage:  # noqa: ARG002 - the protocol's
        return Coverage.WHOLE

    def changed(self) -> bool:
        return True

    def read(self, position: Position | None) -> Generator[ReadBatch]:  # noqa: ARG002 - likewise
        check, keys = row_checker(self._stream.items), KeyCodec(self._stream.items)
        rows: list[Row] = []
        rejects: list[Reject] = []
        for found in self._rows:
            row = tuple(coerce(i, found[self._stream.column(i)], ZONE) for i in self._stream.items)
            try:
                check(row)
            except BadRecord as fault:
                rejects.append(Reject("table", None, fault.item, fault.rule, fault.reason, "", keys.encode(row)))
            else:
                rows.append(row)
        try:
            yield ReadBatch(rows=rows, deleted=self._deleted, rejects=rejects, position={"at": 1})
        finally:
            self.closed = True

    def close(self) -> None:
        pass


def mapped(
    items: Sequence[Item],
    rows: Sequence[Found],
    mapping: Mapping[str, Any] | None = None,
    quality: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    deleted: Sequence[bytes] = (),
    file: Path = Path("a.toml"),
    columns: Mapping[str, str] | None = None,
) -> tuple[ReadBatch, Plan]:
    rules = {name: [QualityRule.model_validate(rule) for rule in given] for name, given in (quality or {}).items()}
    made = {name: Mapped.model_validate(keys) for name, keys in (mapping or {}).items()}
    verify_names(made, rules, items, file)
    plan = Plan(stream_of(items, columns), made, rules, ZONE, file)
    (batch,) = MappedSource(Table(plan.stream, rows, deleted), plan).read(None)
    for row in batch.rows:
        row_checker(items)(row)
    return batch, plan


def value(item: Item, found: object, **keys: Any) -> Any:
    batch, _ = mapped([KEY, item], [{"id": "1", "c": found}], {item.name: {"from": "c", **keys}})
    if batch.rejects:
        return batch.rejects[0].rule
    return batch.rows[0][1]


@pytest.mark.parametrize(
    ("item", "found", "keys", "expected"),
    [
        (NAME, " 张三 ", {"steps": ["strip"]}, "张三"),
        (NAME, "ＡＢ　１２", {"steps": ["halfwidth", "lower"]}, "ab 12"),
        (NAME, "a-b-c", {"steps": [{"replace": ["-", ""]}, "upper", {"prefix": "x"}]}, "xABC"),
        (NAME, "440106001", {"steps": [{"substring": [0, 6]}]}, "440106"),
        (NAME, "7", {"steps": [{"pad": 3}, {"suffix": "号"}]}, "007号"),
        (NAME, "a  b\t c", {"steps": ["squeeze"]}, "a b c"),
        (NAME, "电话 020-1", {"steps": ["digits"]}, "0201"),
        (NAME, "   ", {"steps": ["strip"]}, None),
        (NAME, "   ", {"steps": ["strip"], "default": "无名"}, "无名"),
        (NAME, "1", {"table": {"1": "男", "2": "女"}}, "男"),
        (NAME, "9", {"table": {"1": "男"}}, "code_table"),
        (NAME, "9", {"table": {"1": "男"}, "unknown": "keep"}, "9"),
        (NAME, "9", {"table": {"1": "男"}, "unknown": "default", "default": "未知"}, "未知"),
        (NAME, None, {"table": {"1": "男"}}, None),
        (BORN, "20240131", {"date": "%Y%m%d"}, date(2024, 1, 31)),
        (BORN, "2024111", {"date": "%Y%m%d"}, "date_form"),
        (BORN, "2024年1月5日", {"date": "年月日"}, date(2024, 1, 5)),
        (BORN, "05/01/2024", {"date": ["%Y%m%d", "%d/%m/%Y"]}, date(2024, 1, 5)),
        (BORN, "20240230", {"date": "%Y%m%d"}, "date_form"),
        (BORN, "0000-00-00", {"empty": ["0000-00-00"]}, None),
        (BORN, "0000-00-00", {}, "type_D"),
        (BORN, date(2024, 1, 5), {}, date(2024, 1, 5)),
        (SEEN, "20240105080000", {"date": "%Y%m%d%H%M%S"}, datetime(2024, 1, 5, 0, 0, tzinfo=UTC)),
        (SEEN, datetime(2024, 1, 5, 8, 0, tzinfo=ZONE), {}, datetime(2024, 1, 5, 0, 0, tzinfo=UTC)),
        (AMOUNT, "1,234.5", {"steps": [{"replace": [",", ""]}]}, Decimal("1234.50")),
        (AMOUNT, Decimal("12.5"), {}, Decimal("12.50")),
        (AMOUNT, "12.345", {}, "range"),
        (AMOUNT, None, {"default": 0}, Decimal("0.00")),
    ],
)
def test_one_value(item: Item, found: object, keys: dict[str, Any], expected: object) -> None:
    assert value(item, found, **keys) == expected


def test_constants_and_several_columns_make_items_and_others_are_read_as_they_are() -> None:
    rows: list[Found] = [
        {"id": "1", "SHENG": "广东省", "SHI": None, "SJ": "", "DH": "020", "amount": Decimal("1.00")},
        {"id": "2", "SHENG": "广东省", "SHI": "广州市", "SJ": "139", "DH": "020", "amount": None},
    ]
    items = [
        KEY,
        NAME,
        Item("phone", "电话", ItemType.TEXT, length=20),
        AMOUNT,
        Item("origin", "来源", ItemType.LOGICAL),
    ]
    mapping = {
        "name": {"from": ["SHENG", "SHI"], "join": "/"},
        "phone": {"from": ["SJ", "DH"]},
        "origin": {"constant": True},
    }
    batch, _ = mapped(items, rows, mapping)
    assert batch.rows == [
        ("1", "广东省", "020", Decimal("1.00"), True),
        ("2", "广东省/广州市", "139", None, True),
    ]
    assert batch.position == {"at": 1}


def test_a_code_table_comes_from_a_file_beside_the_adapter_file(tmp_path: Path) -> None:
    (tmp_path / "sex.csv").write_text("\ufeff代码,名称\n1,男\n", encoding="utf-8")
    file = tmp_path / "a.toml"
    batch, _ = mapped([KEY, NAME], [{"id": "1", "name": 1}], {"name": {"table_file": "sex.csv"}}, file=file)
    assert batch.rows == [("1", "男")]
    with pytest.raises(ConfigError, match=r"mapping\.name\.table_file"):
        mapped([KEY, NAME], [], {"name": {"table_file": "none.csv"}}, file=file)


def test_a_made_key_is_the_key_of_rows_deletes_and_rejects_alike() -> None:
    items = [Item("id", "编号", ItemType.TEXT, length=8, primary_key=True), BORN]
    mapping = {"id": {"from": ["A", "B"], "join": "-", "steps": ["upper"]}}
    rows: list[Found] = [{"A": "x", "B": "1", "born": "2024-01-01"}, {"A": "x", "B": "23456789", "born": None}]
    inner = [Item("A", "A", ItemType.TEXT, primary_key=True), Item("B", "B", ItemType.TEXT, primary_key=True)]
    gone = KeyCodec(inner).encode(("y", "2"))
    batch, plan = mapped(items, rows, mapping, deleted=[gone])
    assert batch.rows == [("X-1", date(2024, 1, 1))]
    assert list(batch.deleted) == [b"Y-2"]
    assert [(reject.rule, reject.column, reject.key) for reject in batch.rejects] == [("length", "A", None)]
    assert not MappedSource(Table(plan.stream, []), plan).keyed


def test_a_reject_of_the_source_itself_protects_the_key_that_the_resource_has() -> None:
    items = [KEY, NAME]
    rows = [{"id": " a ", "name": "x" * 11}]
    batch, _ = mapped(items, rows, {"id": {"steps": ["strip"]}})
    assert [(reject.rule, reject.key) for reject in batch.rejects] == [("length", b"a")]


def test_a_row_is_rejected_with_what_was_found_and_the_others_go_on() -> None:
    rows = [{"id": "1", "XB": "9", "name": "n"}, {"id": "2", "XB": "1", "name": "m"}]
    items = [KEY, Item("sex", "性别", ItemType.TEXT, length=1), NAME]
    batch, _ = mapped(items, rows, {"sex": {"from": "XB", "table": {"1": "男"}}})
    assert batch.rows == [("2", "男", "m")]
    (reject,) = batch.rejects
    assert (reject.column, reject.rule, reject.key) == ("XB", "code_table", b"1")
    assert reject.raw == '{"id":"1","XB":"9","name":"n"}'
    assert batch.findings == {Finding("sex", "code_table", "reject"): 1}


def test_the_source_inside_is_closed_with_the_one_around_it() -> None:
    plan = Plan(stream_of([KEY]), {"id": Mapped(steps=("strip",))}, {}, ZONE, Path("a.toml"))
    inner = Table(plan.stream, [{"id": "1"}])
    batches = MappedSource(inner, plan).read(None)
    next(batches)
    batches.close()
    assert inner.closed


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        ({"nobody": {"constant": "x"}}, "mapping.nobody"),
        ({"id": {"constant": "x"}}, "mapping.id"),
        ({"photo": {"from": "P"}}, "mapping.photo"),
    ],
)
def test_what_cannot_be_mapped_is_named(mapping: dict[str, Any], key: str) -> None:
    photo = Item("photo", "照片", ItemType.BINARY)
    with pytest.raises(ConfigError) as caught:
        mapped([KEY, photo], [], mapping)
    assert caught.value.facts["key"] == key
    assert caught.value.message("zh") != caught.value.message("en")


def finds(item: Item, found: object, **rule: Any) -> tuple[Any, dict[Finding, int]]:
    """The value of one row under one rule, or the rule that rejected it; and what was counted."""
    batch, _ = mapped([KEY, item], [{"id": "1", item.name: found}], None, {item.name: [rule]})
    return (batch.rejects[0].rule if batch.rejects else batch.rows[0][1]), dict(batch.findings)


GOOD_USCC = "91350100M000100Y43"


@pytest.mark.parametrize(
    ("item", "good", "bad", "rule", "name"),
    [
        (NAME, "x", None, {"required": True}, "required"),
        (NAME, "张三", "张", {"length": (2, 4)}, "length"),
        (NAME, "440106", "44010x", {"pattern": "[0-9]{6}"}, "pattern"),
        (NAME, "440106", "440106\n", {"pattern": "[0-9]{6}"}, "pattern"),
        (NAME, "男", "未知", {"codes": ["男", "女"]}, "codes"),
        (AMOUNT, Decimal("0.00"), Decimal("-0.01"), {"minimum": 0}, "range"),
        (BORN, date(1900, 1, 1), date(1899, 12, 31), {"minimum": "1900-01-01", "maximum": "2099-12-31"}, "range"),
        (NAME, "440106", "990106", {"check": "division"}, "division"),
        (Item("d", "d", ItemType.TEXT, length=12), "440106001001", "44010600100", {"check": "division"}, "division"),
        (Item("c", "c", ItemType.TEXT, length=18), GOOD_USCC, GOOD_USCC[:-1] + "0", {"check": "uscc"}, "uscc"),
        (
            Item("p", "p", ItemType.TEXT, length=18),
            "11010519491231002X",
            "110105194912310021",
            {"check": "citizen_id"},
            "citizen_id",
        ),
    ],
)
def test_each_rule_rejects_and_warns(item: Item, good: object, bad: object, rule: dict[str, Any], name: str) -> None:
    assert finds(item, good, **rule) == (good, {})
    assert finds(item, bad, **rule) == (name, {Finding(item.name, name, "reject"): 1})
    assert finds(item, bad, **rule, action="warn") == (bad, {Finding(item.name, name, "warn"): 1})
    if name != "required":
        assert finds(item, None, **rule) == (None, {})


def test_a_repair_is_counted_and_what_stays_wrong_is_rejected() -> None:
    rule = {"action": "repair", "repair": ["strip", "halfwidth", "upper"]}
    assert finds(USCC, " ９1350100m000100y43", **rule) == (GOOD_USCC, {Finding("code", "length", "repair"): 1})
    assert finds(USCC, GOOD_USCC, **rule) == (GOOD_USCC, {})
    assert finds(USCC, "91350100M000100Y40 ", **rule) == ("check_uscc", {Finding("code", "check_uscc", "reject"): 1})
    padded = {"pattern": "[0-9]{6}", "action": "repair", "repair": [{"pad": 6}]}
    assert finds(NAME, "106", **padded) == ("000106", {Finding("name", "pattern", "repair"): 1})
    assert finds(NAME, "x", **padded)[0] == "pattern"


def test_no_value_twice_in_a_batch_and_the_next_batch_begins_anew() -> None:
    rows: list[Found] = [
        {"id": "1", "name": "a"},
        {"id": "2", "name": "a"},
        {"id": "3", "name": None},
        {"id": "4", "name": None},
    ]
    for _ in range(2):
        batch, _ = mapped([KEY, NAME], rows, None, {"name": [{"unique": True}]})
        assert [row[0] for row in batch.rows] == ["1", "3", "4"]
        assert [(reject.rule, reject.key) for reject in batch.rejects] == [("unique", b"2")]


def test_a_hostile_pattern_and_value_cost_no_time_and_look_around_is_refused() -> None:
    wide = Item("w", "w", ItemType.MEMO)
    assert finds(wide, "a" * 50_000 + "!", pattern="(a+)+")[0] == "pattern"
    for pattern in ("(?=a)", "a)|(b", "[0-9"):
        with pytest.raises(ConfigError, match=r"quality\.name\.pattern"):
            finds(NAME, "x", pattern=pattern)


@pytest.mark.parametrize("given", [{"minimum": "x"}, {"maximum": "2024-13-01"}])
def test_a_bound_of_another_type_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"quality\.born"):
        finds(BORN, None, **given)
    with pytest.raises(ConfigError, match=r"quality\.name"):
        finds(NAME, None, minimum=1)


@given(st.text(), st.lists(st.sampled_from(["strip", "squeeze", "upper", "lower", "halfwidth", "nfc", "digits"])))
def test_steps_never_fail_and_strip_halfwidth_is_idempotent(text: str, steps: list[Any]) -> None:
    compiled(steps or ["strip"])(text)
    mend = compiled(["halfwidth", "strip"])
    assert mend(mend(text)) == mend(text)


@given(st.dates(min_value=date(1000, 1, 1)), st.sampled_from(["%Y%m%d", "年月日", "%d.%m.%Y", "%Y/%m/%d"]))
def test_a_date_written_in_a_form_is_read_in_it(day: date, form: str) -> None:
    written = day.strftime("%Y年%m月%d日" if form == "年月日" else form)
    assert value(BORN, written, date=form) == day


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1))
def test_direct_items_are_untouched_by_rules_that_hold(pairs: list[tuple[str, str]]) -> None:
    items = [Item("id", "编号", ItemType.MEMO, primary_key=True), Item("m", "m", ItemType.MEMO)]
    rows = [{"id": key, "m": text} for key, text in pairs]
    plain, _ = mapped(items, rows, None, {"m": [{"length": (0, 10**6)}]})
    stream = stream_of(items)
    (expected,) = Table(stream, rows).read(None)
    assert plain.rows == expected.rows


def test_reasons_are_in_both_languages() -> None:
    batch, _ = mapped([KEY, NAME], [{"id": "1", "name": "1"}], {"name": {"table": {"2": "x"}}})
    assert isinstance(batch.rejects[0].reason, Text)
    assert batch.rejects[0].reason.zh == "代码不在代码表中"


def test_a_source_that_answers_for_each_row_can_ask_before(tmp_path: Path) -> None:
    rules = {"name": [QualityRule(length=(1, 3)), QualityRule(unique=True)]}
    plan = Plan(stream_of([KEY, NAME]), {}, rules, ZONE, tmp_path / "a.toml")
    judge = plan.stream.judge
    assert judge is not None
    judge(("1", "abc"))
    judge(("2", "abc"))
    with pytest.raises(BadRecord):
        judge(("3", "abcd"))
    (batch,) = MappedSource(Table(plan.stream, [{"id": "1", "name": "abc"}]), plan).read(None)
    assert (len(batch.rows), batch.findings) == (1, {Finding("name", "length", "reject"): 1})
