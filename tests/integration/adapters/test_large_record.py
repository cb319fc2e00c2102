"""A record that the broker would refuse is told and set aside; it neither stops the adapter nor takes others along."""

from __future__ import annotations

import json
from pathlib import Path

from exchange.items import Item, ItemType
from tests.integration.adapters.places import CsvOrigin, World, write_file
from tests.integration.adapters.runs import once, topic_rows
from tests.support.catalogue import Catalogue

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("memo", "备注", ItemType.MEMO),
)
QUARTER = 2_600_000  # four of them are more than a message of the broker, one is less than a line of CSV may have


def test_a_record_larger_than_the_broker_takes_is_rejected(catalogue: Catalogue, tmp_path: Path) -> None:
    owner, reader = catalogue.office("large"), catalogue.office("large-in", "440600")
    code = catalogue.resource(owner, ITEMS)
    world = World(catalogue, owner, reader, code, catalogue.grant(owner, reader, code), tmp_path)
    origin = CsvOrigin(tmp_path)
    origin.path.write_text(f"id,memo\nk1,短\nk2,{'x' * QUARTER}\nk3,{'y' * 100_000}\n", encoding="gb18030")
    joined = {"mapping.memo": {"from": ["memo"] * 4, "join": ""}}
    summary = once(write_file(world, "source", origin, **joined))
    assert (summary.published, summary.rejected, summary.rules) == (2, 1, {"too_large": 1})
    assert topic_rows(world, 2, "large") == {"k1": ("k1", "短" * 4), "k3": ("k3", "y" * 400_000)}
    assert summary.rejects_file is not None
    (reject,) = [json.loads(line) for line in Path(summary.rejects_file).read_text(encoding="utf-8").splitlines()]
    assert (reject["rule"], reject["line"]) == ("too_large", 3)
    assert len(reject["raw"]) < 10_000, "the beginning is enough to find it"
    assert once(write_file(world, "source", origin, **joined)).deleted == 0, "what was rejected is not gone"
