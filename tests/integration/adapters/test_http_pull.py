"""A remote REST API as source: its ways of paging and of telling what is new."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from adapters.errors import SourceChanging
from adapters.protocol import Position, ReadBatch
from adapters.source_http_pull import Config, HttpPullSource, open_source
from exchange.errors import BackOff, NotConnected, SourceProblem
from tests.support.adapters import stream_of
from tests.support.catalogue import PEOPLE
from tests.support.http_places import Answer, HttpPlace, as_json


def record(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"k{number}", "name": "n", "born": None, "amount": number, **more}


class Api:
    """A server whose answers are given one by one; the last one stays."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.server = HttpPlace(lambda _: self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def source(self, batch_rows: int = 1000, **keys: Any) -> HttpPullSource:
        config = Config.model_validate({"kind": "http_pull", "url": f"{self.server.url}/a", **keys})
        config.verify("file", "source")
        made = open_source(config, stream_of(PEOPLE, batch_rows=batch_rows))
        made.connect()
        return made

    @property
    def params(self) -> list[Mapping[str, str]]:
        return [said.params for said in self.server.said]


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.server.close()


def ids(batches: list[ReadBatch]) -> list[str]:
    return [str(row[0]) for batch in batches for row in batch.rows]


def test_offsets_cursors_and_links_are_followed_to_their_end(api: Api) -> None:
    api.answers = [as_json([record(1), record(2)]), as_json([record(3)]), as_json([])]
    assert ids(list(api.source(paging="offset", page_param="skip").read(None))) == ["k1", "k2", "k3"]
    assert [p["skip"] for p in api.params] == ["0", "2", "3"]
    api.server.said.clear()
    api.answers = [as_json({"list": [record(1)], "next": "c1"}), as_json({"list": [record(2)], "next": None})]
    cursors = api.source(paging="cursor", page_param="after", next_path="next", records="list")
    assert ids(list(cursors.read(None))) == ["k1", "k2"]
    assert api.params == [{}, {"after": "c1"}]
    api.server.said.clear()
    api.answers = [as_json([record(1)], Link='</a?p=2>; rel="next"'), as_json([record(2)])]
    assert ids(list(api.source(paging="link").read(None))) == ["k1", "k2"]
    assert api.params == [{}, {"p": "2"}]


def test_a_rate_limit_is_waited_for_in_the_middle_of_a_whole(api: Api) -> None:
    api.answers = [
        as_json([record(1)]), Answer(429, b"", {"Retry-After": "1"}), as_json([record(2)]), as_json([]),
    ]  # fmt: skip
    batches = list(api.source(paging="page").read(None))
    assert ids(batches) == ["k1", "k2"]
    assert any(batch.empty for batch in batches), "the engine can stop the wait"
    assert [p["page"] for p in api.params] == ["1", "2", "2", "3"]


def test_what_is_new_since_the_last_time_and_deletes(api: Api) -> None:
    source = api.source(
        mode="changes", since_param="since", since_column="at", since_first="0", deleted="gone", batch_rows=2
    )
    api.answers = [
        as_json([record(1, at="2024-01-01"), record(2, at="2024-01-03"), record(3, at="2024-01-02", gone=1)])
    ]
    batches = list(source.read(None))
    assert ids(batches) == ["k1", "k2"]
    assert [batch.position for batch in batches] == [None, {"since": "2024-01-03"}], "only the end of a pass counts"
    assert batches[-1].deleted == [b"k3"]
    position: Position | None = batches[-1].position
    api.answers = [as_json([record(3, at="2024-01-03")])]
    again = list(source.read(position))
    assert api.params[-1] == {"since": "2024-01-03"}
    assert ids(again) == ["k3"]
    assert ids(list(source.read(again[-1].position))) == [], "what the boundary gives again is not published again"


def test_a_feed_of_changes_goes_on_from_its_cursor(api: Api) -> None:
    keys: dict[str, Any] = {
        "mode": "changes",
        "paging": "cursor",
        "page_param": "after",
        "next_path": "next",
        "records": "list",
    }
    api.answers = [as_json({"list": [record(1)], "next": "c1"}), as_json({"list": [], "next": "c1"})]
    batches = list(api.source(**keys).read(None))
    assert [batch.position for batch in batches] == [{"cursor": "c1"}, {"cursor": "c1"}]
    api.answers = [as_json({"list": [record(2)], "next": "c2"}), as_json({"list": [], "next": "c2"})]
    batches = list(api.source(**keys).read(batches[-1].position))
    assert api.params[-2:] == [{"after": "c1"}, {"after": "c2"}]
    assert (ids(batches), batches[-1].position) == (["k2"], {"cursor": "c2"})


@pytest.mark.parametrize(
    ("answer", "keys", "words"),
    [
        (Answer(401), {}, "HTTP 401"),
        (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), {}, "HTTP 302"),
        (Answer(200, b"<html>"), {}, "not JSON"),
        (Answer(200, b"[" * 200_000), {}, "not JSON"),
        (as_json({"data": {}}), {"records": "data.list"}, "data.list is no list"),
        (as_json([record(1)]), {"paging": "page"}, "every page is the same"),
        (as_json([record(1)], Link='<http://127.0.0.1:1/a>; rel="next"'), {"paging": "link"}, "another server"),
        (Answer(200, gzip.compress(b" " * (3 << 20)), {"Content-Encoding": "gzip"}), {"max_body_mb": 2}, "larger than"),
    ],
)
def test_what_no_retry_cures_is_named(api: Api, answer: Answer, keys: dict[str, Any], words: str) -> None:
    api.answers = [answer]
    with pytest.raises(SourceProblem) as caught:
        list(api.source(**keys).read(None))
    assert words in caught.value.message("en")
    assert caught.value.message("zh")


def test_what_waiting_cures_waits(api: Api) -> None:
    api.answers = [Answer(503)]
    with pytest.raises(NotConnected):
        list(api.source().read(None))
    api.answers = [Answer(429, b"", {"Retry-After": "7"})]
    with pytest.raises(BackOff) as caught:
        list(api.source(mode="changes", since_param="s", since_path="at").read(None))
    assert caught.value.facts["wait_s"] == 7
    api.answers = [as_json({"l": [record(1)], "t": 2})]
    with pytest.raises(SourceChanging):
        list(api.source(records="l", total_path="t").read(None))
    api.answers = [Answer(200, json.dumps([record(1)]).encode()[:-5], {"Content-Encoding": "gzip"})]
    with pytest.raises(NotConnected):
        list(api.source().read(None))
