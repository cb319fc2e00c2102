"""One TOML file per process, ``EXCHANGE_*`` variables over it, secrets from a variable or a file.

A component declares its configuration as a pydantic model of groups (``[kafka]``, ``[source]`` ...).
``load`` merges the three sources and turns whatever is wrong into one ConfigError that names the file,
the key, what was expected and an example.

* ``EXCHANGE_KAFKA_BOOTSTRAP_SERVERS`` overrides ``bootstrap_servers`` of group ``[kafka]``.
* A path field that is marked ``BESIDE`` is the configuration file's own folder when it is left out.
* A ``SecretStr`` field named ``x`` is never read from the TOML file itself: it comes from
  ``EXCHANGE_<GROUP>_X``, or from the file that ``x_file`` (or ``EXCHANGE_<GROUP>_X_FILE``) names.
"""

from __future__ import annotations

import os
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from exchange.errors import ConfigError
from exchange.text import Text

PREFIX = "EXCHANGE_"
ENVIRONMENT = "environment"
BESIDE: JsonDict = {"beside": True}  # json_schema_extra of a path that is the file's own folder by default


class Group(BaseModel):
    """A group of settings; unknown keys are errors and values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


G = TypeVar("G", bound=BaseModel)


def load(model: type[G], path: Path | None, environ: Mapping[str, str] | None = None) -> G:
    """Return ``model`` read from ``path`` (None: no file), with the environment over it.

    Relative paths in the file are relative to the file. Errors: ConfigError.
    """
    env = os.environ if environ is None else environ
    name = str(path) if path else ENVIRONMENT
    data = _read(path) if path else {}
    folder = path.parent if path else None
    merged = _merge(model, data, env, name, folder)
    return validate(model, merged, name)


def validate(model: type[G], data: Mapping[str, Any], name: str) -> G:
    """Return ``model`` made of ``data``; ``name`` is the file named in a ConfigError."""
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        raise _first_problem(model, exc.errors(include_url=False)[0], name) from exc


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(
            file=path,
            key="-",
            expected=Text("a readable file", "可读取的文件"),
            found=Text("no such file", "文件不存在"),
            example="exchange adapter run adapter.toml",
        ) from exc
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(
            file=path, key="-", expected="TOML, UTF-8", found=str(exc), example='[adapter]\\nname = "villages"'
        ) from exc


def _merge(
    model: type[BaseModel], data: dict[str, Any], env: Mapping[str, str], name: str, folder: Path | None
) -> dict[str, Any]:
    merged = dict(data)
    for group, field in model.model_fields.items():
        inner = _group_model(field)
        if inner is None:
            continue
        given = merged.get(group, {})
        if not isinstance(given, dict):
            continue  # validation names it
        filled = _fill_group(inner, dict(given), env, f"{PREFIX}{group.upper()}_", _Place(name, group, folder))
        if filled or group in merged:
            merged[group] = filled
    return merged


class _Place(typing.NamedTuple):
    file: str
    group: str
    folder: Path | None  # of the file, if there is one

    @property
    def base(self) -> Path:
        """What relative paths are relative to."""
        return self.folder or Path()


def _fill_group(
    inner: type[BaseModel], given: dict[str, Any], env: Mapping[str, str], prefix: str, place: _Place
) -> dict[str, Any]:
    for key, field in inner.model_fields.items():
        variable = prefix + key.upper()
        if _is_secret(field):
            secret = _secret(key, field, given, env, variable, place)
            if secret is not None:
                given[key] = secret
        elif variable in env:
            given[key] = _from_text(field, env[variable])
        elif _is_path(field) and isinstance(given.get(key), str):
            given[key] = str(place.base / given[key])
        elif field.json_schema_extra == BESIDE and key not in given and place.folder is not None:
            given[key] = str(place.folder)
    return given


def _secret(
    key: str, field: FieldInfo, given: dict[str, Any], env: Mapping[str, str], variable: str, place: _Place
) -> str | None:
    if key in given:
        raise ConfigError(
            file=place.file,
            key=f"{place.group}.{key}",
            expected=Text("a secret from a file or the environment", "来自文件或环境变量的密钥"),
            found=Text("a secret in the configuration file itself", "密钥写在配置文件中"),
            example=f'{key}_file = "secret.txt" or {variable}=...',
        )
    from_toml = given.pop(f"{key}_file", None)
    if variable in env:
        return env[variable]
    path = Path(env[f"{variable}_FILE"]) if f"{variable}_FILE" in env else place.base / from_toml if from_toml else None
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            file=place.file,
            key=f"{place.group}.{key}_file",
            expected=Text("a readable file", "可读取的文件"),
            found=f"{path}: {exc.__class__.__name__}",
            example=_example(field) or f'{key}_file = "secret.txt"',
        ) from exc


def _from_text(field: FieldInfo, value: str) -> Any:
    """Lists are given as comma-separated text; pydantic converts numbers and booleans itself."""
    if typing.get_origin(field.annotation) in (list, tuple):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _first_problem(model: type[BaseModel], error: ErrorDetails, name: str) -> ConfigError:
    location = [str(part) for part in error["loc"]]
    group, field = _find(model, location)
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = ", ".join(sorted(group.model_fields)) if group else "-"
        return ConfigError(
            file=name,
            key=key,
            expected=Text(f"one of: {known}", f"下列之一：{known}"),
            found=Text("an unknown key", "未知的键"),
            example=_sample(group) if group else "-",
        )
    found: object = Text("nothing", "空缺")
    expected: object = error["msg"]
    if error["type"] != "missing":
        found = "***" if field and _is_secret(field) else repr(error.get("input"))
    elif field is not None:
        expected = Text(field.description or "a value", field.description or "一个值")
    return ConfigError(file=name, key=key, expected=expected, found=found, example=_key_sample(location, field))


def _key_sample(location: list[str], field: FieldInfo | None) -> str:
    key = location[-1]
    if field is not None and _is_secret(field):
        return f'{key}_file = "secret.txt" or {PREFIX}{"_".join(location).upper()}=...'
    sample = _example(field) if field else None
    if sample is not None:
        return f"{key} = {sample}"
    return f"[{key}]"


def _sample(group: type[BaseModel]) -> str:
    key, field = next(iter(group.model_fields.items()))
    return _key_sample([key], field)


def _example(field: FieldInfo) -> str | None:
    example = field.examples[0] if field.examples else field.default if not field.is_required() else None
    if example is None:
        return None
    if isinstance(example, bool):
        return str(example).lower()
    return str(example) if isinstance(example, int | float) else f'"{example}"'


def _find(model: type[BaseModel], location: list[str]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Return the model that holds the last part of ``location``, and its field there if there is one."""
    current: type[BaseModel] | None = model
    for part in location[:-1]:
        field = current.model_fields.get(part) if current else None
        current = _group_model(field) if field else None
    return current, current.model_fields.get(location[-1]) if current else None


def _group_model(field: FieldInfo) -> type[BaseModel] | None:
    for candidate in _alternatives(field):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in _alternatives(field)


def _is_path(field: FieldInfo) -> bool:
    return Path in _alternatives(field)


def _alternatives(field: FieldInfo) -> tuple[Any, ...]:
    annotation = field.annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)
