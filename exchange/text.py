"""Everything a person reads exists in English and in zh-CN, side by side, where it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

Lang = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Text:
    """One message in both languages; ``{name}`` placeholders are filled by ``format``."""

    en: str
    zh: str

    def format(self, lang: Lang | None = None, /, **facts: object) -> str:
        """Return the message in ``lang`` (default: the process's language); a fact that is a Text follows it."""
        chosen = lang or process_lang()
        worded = {name: fact.format(chosen) if isinstance(fact, Text) else fact for name, fact in facts.items()}
        return self.template(chosen).format(**worded) if worded else self.template(chosen)

    def template(self, lang: Lang | None = None) -> str:
        """Return the unformatted message in ``lang``."""
        return self.zh if (lang or process_lang()) == "zh" else self.en


def process_lang() -> Lang:
    """Return the language of this process: ``EXCHANGE_LANG``, else the locale, else English."""
    for name in ("EXCHANGE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def accepted_lang(header: str | None) -> Lang:
    """Return the language that an ``Accept-Language`` header prefers among ours (RFC 9110 §12.5.4)."""
    best: tuple[float, Lang] = (0.0, "en")
    for part in (header or "").split(","):
        tag, _, params = part.strip().partition(";")
        weight = _quality(params)
        lang: Lang | None = "zh" if tag.lower().startswith("zh") else "en" if tag.lower().startswith("en") else None
        if lang and weight > best[0]:
            best = (weight, lang)
    return best[1]


def _quality(params: str) -> float:
    name, _, value = params.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
