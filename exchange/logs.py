"""What a process writes to its log: one line an event, for a person or as JSON, with the ids that join lines.

``request_id`` joins a request with what the enforcer did for it; ``batch`` joins what a publisher sent with what each
subscriber landed, on whatever machine. A value of a record or a secret is never part of a line: an exception that is
not of our family is told by its type and place only, because its message may quote one.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

from exchange.errors import ExchangeError
from exchange.settings import LogSettings

IDS: ContextVar[Mapping[str, str]] = ContextVar("ids", default={})  # noqa: B039 (nobody changes it)
REQUEST = "request_id"
BATCH = "batch"
QUIET = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "alembic": logging.WARNING}  # a line a request


def bind(**ids: str) -> None:
    """Give the lines of this request (its task, or thread) these ids from here on."""
    IDS.set({**IDS.get(), **ids})


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Give the lines of the block these ids."""
    token = IDS.set({**IDS.get(), **ids})
    try:
        yield
    finally:
        IDS.reset(token)


def configure(settings: LogSettings, handler: logging.Handler | None = None) -> None:
    """Write the log of this process as the settings say, to standard error or to a handler with a form of its own."""
    if handler is None:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines() if settings.format == "json" else PlainLines())
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger("exchange.batches").disabled = not settings.batches
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class JsonLines(logging.Formatter):
    """One JSON object a line: at, level, logger, message, the ids, and of an exception its type and place."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"error": _type(record.exc_info[1]), "stack": _stack(record.exc_info[1])}
        return json.dumps(line, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """Time, level, logger, message, ids; a line break in a message is shown, and makes no second line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        ids = "".join(f" {name}={value}" for name, value in _ids(record).items())
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{_instant(record)} {record.levelname} {record.name} {message}{ids}"
        if record.exc_info and record.exc_info[1] is not None:
            line += f" {_type(record.exc_info[1])}\n" + "\n".join(f"  {place}" for place in _stack(record.exc_info[1]))
        return line


def _ids(record: logging.LogRecord) -> dict[str, str]:
    own: Mapping[str, str] = getattr(record, "ids", {})
    return {**IDS.get(), **own}


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _type(error: BaseException) -> str:
    if isinstance(error, ExchangeError):
        return f"{error.code}: {error}"
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _stack(error: BaseException) -> list[str]:
    """Return where an exception came from, and where what caused it did: without their messages."""
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return [*places, *([f"from {_type(cause)}", *_stack(cause)] if cause is not None else [])]


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("exchange").critical("a fault of the program", exc_info=error)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        logging.getLogger("exchange").critical("a fault of the program", exc_info=args.exc_value)
