"""The ``exchange`` command: puts the rooms together, and turns an error into one or two lines and an exit code.

Each module of this package has ``register(app)``. Such a module imports its room inside its commands, never at
the top, so that ``exchange --help`` stays quick.
"""

from __future__ import annotations

import sys

import typer

from exchange.cli import (
    adapter,
    audit,
    backup,
    catalog,
    certificate,
    demo,
    difference,
    evaluation,
    grant,
    key,
    login,
    node,
    notice,
    objection,
    org,
    output,
    quality,
    reconcile,
    request,
    system,
    top,
    trace,
    user,
)
from exchange.errors import ExchangeError
from exchange.text import Text

HELP = Text(
    "Exchange bus: a grant in the catalogue is an ACL at the broker.",
    "政务信息资源共享交换：目录中的授权即消息服务的访问控制。",
)
MODULES = (
    node,
    backup,
    top,
    adapter,
    demo,
    login,
    catalog,
    org,
    system,
    user,
    key,
    audit,
    request,
    grant,
    notice,
    objection,
    difference,
    certificate,
    trace,
    reconcile,
    evaluation,
    quality,
)

app = typer.Typer(
    help=HELP.format(),
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, secrets included
)
for module in MODULES:
    module.register(app)


def main() -> None:
    """Run the command line; the console entry point."""
    try:
        app()
    except ExchangeError as error:
        output.fail(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
