"""Asking a person for a secret."""

from __future__ import annotations

from getpass import getpass

import typer

from exchange.text import Text

AGAIN = Text("Once more", "请再次输入")
DIFFERENT = Text("The two were not the same.", "两次输入不一致。")


def ask_secret(question: Text, *, confirm: bool = False) -> str:
    """Return a secret that is typed in and not shown; typed twice if ``confirm``.

    Not ``typer.prompt``: that asks first and turns the echo off after, and what was typed or pasted between is lost.
    """
    while True:
        secret = _hidden(question)
        if not confirm or _hidden(AGAIN) == secret:
            return secret
        typer.echo(DIFFERENT.format(), err=True)


def _hidden(question: Text) -> str:
    while True:
        try:
            secret = getpass(f"{question.format()}: ")
        except (EOFError, KeyboardInterrupt):
            raise typer.Abort from None
        if secret:
            return secret
