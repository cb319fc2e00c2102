"""``python -m registry serve|migrate|rotate-keys [--config FILE]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import uvicorn

from exchange import config, logs
from exchange.errors import ExchangeError
from exchange.otlp import start_tracing
from exchange.tracing import TRACING
from registry.database import Database, database_url
from registry.migrate import migrate
from registry.runtime import build, keyring_of
from registry.settings import Settings
from registry.web.app import create_app

SWITCH_S = 0.0005  # how long a comparison of all ACLs may hold up a request that waits for the interpreter: not 5 ms
DRAIN_S = 10  # requests that run when the process is told to stop


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m registry", description="The registry / 登记中心")
    parser.add_argument("command", choices=("serve", "migrate", "rotate-keys"))
    parser.add_argument("--config", type=Path, help="TOML file / 配置文件")
    given = parser.parse_args(arguments)
    try:
        settings = config.load(Settings, given.config)
        logs.configure(settings.log)
        {"serve": serve, "migrate": _migrate, "rotate-keys": _rotate}[given.command](settings)
    except ExchangeError as exc:
        print(exc, file=sys.stderr)  # noqa: T201 (a command's last word)
        return exc.exit_code
    return 0


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; running requests end first."""
    start_tracing(settings.tracing, "registry")
    runtime = build(settings)
    sys.setswitchinterval(SWITCH_S)
    uvicorn.run(
        create_app(runtime),
        host=settings.registry.host,
        port=settings.registry.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    TRACING.close()


def _migrate(settings: Settings) -> None:
    database = Database(database_url(settings))
    migrate(database)
    database.close()


def _rotate(settings: Settings) -> None:
    print(keyring_of(settings).rotate())  # noqa: T201 (the id of the new key)


if __name__ == "__main__":
    sys.exit(main())
