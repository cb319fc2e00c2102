"""Who uses the command line: the login that ``exchange login`` keeps, or that of the environment."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from exchange.errors import ConfigError, ExchangeError
from exchange.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exchange.admin import AdminClient
    from exchange.settings import RegistrySettings

VARIABLES = {name: f"EXCHANGE_LOGIN_{name.upper()}" for name in ("url", "user", "password", "ca_file")}
PASSWORD_FILE = "EXCHANGE_LOGIN_PASSWORD_FILE"  # noqa: S105 (the name of a variable)


class NotLoggedIn(ExchangeError):
    """Nobody has logged in."""

    code = "not_logged_in"
    exit_code = 3
    text = Text("Nobody is logged in", "尚未登录")
    hint = Text(
        "`exchange login --url http://127.0.0.1:8440 --user admin`, or set EXCHANGE_LOGIN_URL, EXCHANGE_LOGIN_USER and "
        "EXCHANGE_LOGIN_PASSWORD_FILE.",
        "请执行 `exchange login --url http://127.0.0.1:8440 --user admin`，或设置 EXCHANGE_LOGIN_URL、"
        "EXCHANGE_LOGIN_USER 与 EXCHANGE_LOGIN_PASSWORD_FILE。",
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """A login as it is kept."""

    url: str
    user: str
    password: str = field(default="", repr=False)
    ca_file: str | None = None
    session: str | None = field(default=None, repr=False)  # of a sign-in in the browser, in place of the password

    @property
    def registry(self) -> RegistrySettings:
        """Where the registry is. Errors: ConfigError."""
        from exchange.config import validate  # noqa: PLC0415 - `exchange --help` stays quick
        from exchange.settings import RegistrySettings  # noqa: PLC0415

        return validate(RegistrySettings, {"url": self.url, "ca_file": self.ca_file}, "exchange login")

    def client(self) -> AdminClient:
        """Return the admin API under this login."""
        from exchange.admin import AdminClient  # noqa: PLC0415

        return AdminClient(self.registry, self.user, self.password, session=self.session)


def admin() -> AdminClient:
    """Return the admin API under the present login. Errors: NotLoggedIn, ConfigError."""
    return present().client()


@contextmanager
def opened() -> Iterator[AdminClient]:
    """Yield the admin API under the present login, and close it. Errors: NotLoggedIn, ConfigError."""
    client = admin()
    try:
        yield client
    finally:
        client.close()


def present(environ: Mapping[str, str] | None = None) -> Stored:
    """Return the login of the environment, else the one that is kept. Errors: NotLoggedIn, ConfigError."""
    env = os.environ if environ is None else environ
    given = {name: env[variable] for name, variable in VARIABLES.items() if variable in env}
    if PASSWORD_FILE in env and "password" not in given:
        given["password"] = read_secret(Path(env[PASSWORD_FILE]))
    if not given:
        return _kept()
    if not {"url", "user", "password"} <= set(given):
        raise NotLoggedIn  # all of it: a password that is kept goes to its own registry only
    return Stored(**given)


def keep(login: Stored) -> Path:
    """Keep a login in the user's configuration, closed to others; return the file."""
    path = login_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(path, json.dumps(asdict(login)))
    return path


def renew(login: Stored) -> None:
    """Keep a login if it is the one that is kept already, with a new password."""
    try:
        kept = _kept()
    except NotLoggedIn:
        return
    if (kept.url, kept.user) == (login.url, login.user):
        keep(replace(kept, password=login.password))


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner reads (0600), in place of one that is there."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def forget() -> None:
    """Delete the login that is kept."""
    login_file().unlink(missing_ok=True)


def login_file() -> Path:
    """Return where a login is kept."""
    return Path(typer.get_app_dir("exchange")) / "login.json"


def read_secret(path: Path) -> str:
    """Return what a file holds. Errors: ConfigError."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            file=path, key="-", expected=Text("a readable file", "可读取的文件"), found=str(exc), example=PASSWORD_FILE
        ) from exc


def _kept() -> Stored:
    try:
        return Stored(**json.loads(login_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as exc:
        raise NotLoggedIn from exc
