"""Lines of the log: ids that join them, one line an event, and nothing that an exception quotes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from exchange import logs
from exchange.errors import BadRecord, ExchangeError, RegistryUnavailable
from exchange.settings import LogSettings
from exchange.text import Text

VALUE = "张三-440101199001011234"


@pytest.fixture(params=["json", "console"])
def lines(request: pytest.FixtureRequest) -> Iterator[tuple[str, io.StringIO, logging.Logger]]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logs.JsonLines() if request.param == "json" else logs.PlainLines())
    log = logging.Logger("test")
    log.addHandler(handler)
    yield request.param, out, log
    handler.close()


def test_lines_have_the_ids_of_what_they_are_about(lines: tuple[str, io.StringIO, logging.Logger]) -> None:
    kind, out, log = lines
    with logs.about(request_id="r1"):
        log.warning("one")
        with logs.about(batch="b1"):
            log.warning("two %d", 2)
        log.warning("three", extra={"ids": {"batch": "b2"}})
    log.warning("four")
    told = out.getvalue().splitlines()
    if kind == "json":
        found = [json.loads(line) for line in told]
        assert [(f.get("request_id"), f.get("batch")) for f in found] == [
            ("r1", None), ("r1", "b1"), ("r1", "b2"), (None, None),
        ]  # fmt: skip
        assert (found[1]["message"], found[1]["level"], found[1]["logger"]) == ("two 2", "warning", "test")
        assert found[0]["at"].endswith("Z")
    else:
        assert [line.partition(" test ")[2] for line in told] == [
            "one request_id=r1", "two 2 request_id=r1 batch=b1", "three request_id=r1 batch=b2", "four",
        ]  # fmt: skip


def test_nobody_writes_a_line_of_his_own(lines: tuple[str, io.StringIO, logging.Logger]) -> None:
    _, out, log = lines
    log.warning("%s", "a name\n2026-01-01T00:00:00Z INFO exchange all is well\r\nand more")
    assert len(out.getvalue().splitlines()) == 1


def test_an_exception_is_told_without_what_it_quotes(lines: tuple[str, io.StringIO, logging.Logger]) -> None:
    _, out, log = lines
    try:
        try:
            int(VALUE)
        except ValueError as exc:
            raise KeyError(VALUE) from exc
    except KeyError:
        log.exception("a fault")
    text = out.getvalue()
    assert VALUE not in text
    assert "builtins.KeyError" in text
    assert "builtins.ValueError" in text
    assert "test_logs.py:" in text


@pytest.mark.parametrize(
    "error",
    [
        RegistryUnavailable(url="http://127.0.0.1:1", reason="refused"),
        BadRecord("name", "too_long", Text("longer than 10", "超过 10 个字符")),
    ],
)
def test_an_error_of_the_family_says_what_happened(
    lines: tuple[str, io.StringIO, logging.Logger], error: ExchangeError
) -> None:
    _, out, log = lines
    log.error("stopped", exc_info=error)
    assert error.code in out.getvalue()
    assert error.message().split()[0] in out.getvalue()


def test_the_settings_choose_form_level_and_batches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, hooks = logging.getLogger(), ("sys.excepthook", "threading.excepthook")
    before, level = root.handlers[:], root.level
    for hook in hooks:
        monkeypatch.setattr(hook, None)  # put back afterwards
    try:
        logs.configure(LogSettings(format="json", level="warning", batches=False))
        logging.getLogger("exchange.batches").warning("a batch")
        logging.getLogger("exchange.other").info("too little")
        logging.getLogger("exchange.other").warning("enough")
        assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["enough"]
    finally:
        logging.getLogger("exchange.batches").disabled = False
        root.handlers[:] = before
        root.setLevel(level)
