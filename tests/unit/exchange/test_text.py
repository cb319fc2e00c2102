"""The reader's language, and every error of the family in both of them."""

from __future__ import annotations

import string

import pytest

from exchange.errors import ExchangeError
from exchange.text import Text, accepted_lang


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,zh;q=0.5", "en"),
        ("fr,zh;q=0.1", "zh"),
        ("zh;q=0,en", "en"),
        ("zh;q=nonsense", "en"),
    ],
)
def test_the_language_that_a_header_prefers(header: str | None, lang: str) -> None:
    assert accepted_lang(header) == lang


def test_a_fact_that_is_a_text_follows_the_language() -> None:
    outer = Text("because: {reason}", "原因：{reason}")
    assert outer.format("zh", reason=Text("none", "无")) == "原因：无"


def family(root: type[ExchangeError]) -> list[type[ExchangeError]]:
    return [root, *(child for kind in root.__subclasses__() for child in family(kind))]


@pytest.mark.parametrize("kind", family(ExchangeError), ids=lambda kind: kind.__name__)
def test_both_languages_of_an_error_name_the_same_facts(kind: type[ExchangeError]) -> None:
    for text in (kind.text, kind.hint):
        assert facts(text.en) == facts(text.zh)
        assert bool(text.en) == bool(text.zh)
    assert kind.text.zh != kind.text.en or not any(letter.isalpha() for letter in plain(kind.text.en))


def facts(template: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def plain(template: str) -> str:
    return "".join(words for words, *_ in string.Formatter().parse(template))
