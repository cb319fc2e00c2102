"""How a remote REST API is read page after page: what is asked next, and when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from pydantic import Field

from adapters.http_client import CallConfig
from exchange.text import Text

Paging = Literal["none", "page", "offset", "cursor", "link"]


class PagingConfig(CallConfig):
    """How pages follow each other."""

    paging: Paging = Field(default="none", description="how pages follow: by number, offset, cursor or next link")
    page_param: str = Field(default="page", description="parameter of the page number, offset or cursor")
    size_param: str = Field(default="", description="parameter of the page size; empty: it is not sent")
    page_size: int = Field(default=1000, ge=1, le=100_000, description="records asked for at once")
    first_page: int = Field(default=1, ge=0, description="number of the first page")
    next_path: str = Field(default="", description="path to the next cursor or link; empty for link: the Link header")
    total_path: str = Field(default="", description="path to the number of all records, compared with what came")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: where, and with which parameters; ``cursor``: that of a change feed, as the position keeps it."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    cursor: str | None = None


class PagingFault(Exception):
    """The API does not page as the settings say; ``reason`` in both languages."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason.en)
        self.reason = reason


def first(keys: PagingConfig, params: Mapping[str, str], cursor: str | None) -> Ask:
    """Return the first request of a pass; ``cursor``: where an earlier pass ended."""
    sized = dict(params)
    if keys.paging != "none" and keys.size_param:
        sized[keys.size_param] = str(keys.page_size)
    if keys.paging == "page":
        sized[keys.page_param] = str(keys.first_page)
    elif keys.paging == "offset":
        sized[keys.page_param] = "0"
    elif keys.paging == "cursor" and cursor is not None:
        sized[keys.page_param] = cursor
    return Ask(keys.url, sized, cursor)


def following(keys: PagingConfig, asked: Ask, count: int, data: Any, link: str | None) -> Ask | None:
    """Return the request after ``asked``, whose answer ``data`` had ``count`` records; None at the end.

    Pages and offsets end with an empty page only: a server may give less than was asked for. ``link``: the target of
    the answer's Link header with rel=next. Errors: PagingFault.
    """
    if keys.paging == "none" or (count == 0 and keys.paging in {"page", "offset"}):
        return None
    if keys.paging in {"page", "offset"}:
        step = 1 if keys.paging == "page" else count
        return Ask(asked.url, {**asked.params, keys.page_param: str(int(asked.params[keys.page_param]) + step)})
    found = dig(data, keys.next_path) if keys.next_path else link
    if found is None or found in ("", False):
        return None
    if keys.paging == "link":
        return _linked(asked, str(found))
    cursor = str(found)
    if cursor == asked.params.get(keys.page_param):
        if count:
            raise PagingFault(_SAME)
        return None
    return Ask(asked.url, {**asked.params, keys.page_param: cursor}, cursor)


def dig(data: Any, path: str, otherwise: Any = None) -> Any:
    """Return what stands at a dotted path of names in ``data``, or ``otherwise``; "" is all of it."""
    for name in path.split(".") if path else ():
        if not isinstance(data, Mapping) or name not in data:
            return otherwise
        data = data[name]
    return data


def _linked(asked: Ask, target: str) -> Ask:
    """Only to the same server: the secret goes with the request."""
    here, there = httpx.URL(asked.url), httpx.URL(asked.url).join(target)
    if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
        raise PagingFault(Text("the next link leads to another server", "下一页链接指向其他服务器"))
    if here == there and not asked.params:
        raise PagingFault(_SAME)
    return Ask(str(there))


_SAME = Text("the same page comes again and again: see paging", "反复返回同一页：请检查 paging 设置")
