"""What commands print: one place for colour, tables and errors, in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from exchange.errors import ExchangeError
from exchange.text import Text

OK = Text("ok", "正常")
FAIL = Text("fail", "异常")
YES, NO = Text("yes", "是"), Text("no", "否")


def say(text: Text) -> None:
    """Print one line on standard output."""
    Console(soft_wrap=True).print(escape(text.format()), highlight=False)


def facts(rows: Iterable[tuple[Text, object]]) -> None:
    """Print names and values, one a line."""
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(f"[dim]{escape(name.format())}[/]", escape(_word(value)))
    Console(soft_wrap=True).print(grid, highlight=False)


def table(columns: Sequence[Text], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; a bool becomes a coloured ok or fail."""
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        drawn.add_column(column.format(), overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    Console().print(drawn, highlight=False)


def emit(rows: Iterable[Mapping[str, object]], columns: Mapping[str, Text], as_json: bool) -> None:
    """Print a list: for a script whole, as a JSON array; for a person the columns (field: heading) as a table."""
    if as_json:
        typer.echo(json.dumps(list(rows), ensure_ascii=False))
    else:
        table(list(columns.values()), ([_said(row.get(name)) for name in columns] for row in rows))


def emit_one(thing: Mapping[str, object], names: Mapping[str, Text], as_json: bool) -> None:
    """Print one thing: for a script whole, as a JSON object; for a person the fields with their names."""
    if as_json:
        typer.echo(json.dumps(dict(thing), ensure_ascii=False))
    else:
        facts([(text, _said(thing.get(name))) for name, text in names.items()])


def fail(error: ExchangeError) -> None:
    """Print an error on standard error: what happened, then what to do."""
    console = Console(stderr=True, soft_wrap=True)
    console.print(f"[bold red]{escape(error.message())}[/]", highlight=False)
    if hint := error.next_step():
        console.print(f"[yellow]→[/] {escape(hint)}", highlight=False)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return f"[green]{OK.format()}[/]" if value else f"[bold red]{FAIL.format()}[/]"
    return escape(_word(value))


def _said(value: object) -> object:
    return (YES if value else NO) if isinstance(value, bool) else value


def _word(value: object) -> str:
    if isinstance(value, Text):
        return value.format()
    return "" if value is None else str(value)
