"""Refusals as Confluent's Schema Registry words them: ``{"error_code": ..., "message": ...}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from fastapi import Response
from fastapi.exceptions import RequestValidationError

from exchange.errors import ExchangeError
from exchange.text import Lang
from registry.errors import Invalid
from registry.schema_registry import errors

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
PREFIX = "/schema-registry"
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
CODES: dict[type[ExchangeError], int] = {
    errors.SubjectNotFound: 40401,
    errors.VersionNotFound: 40402,
    errors.SchemaNotFound: 40403,
    errors.SubjectSoftDeleted: 40404,
    errors.SubjectNotSoftDeleted: 40405,
    errors.VersionSoftDeleted: 40406,
    errors.VersionNotSoftDeleted: 40407,
    errors.LevelNotConfigured: 40408,
    errors.ModeNotConfigured: 40409,
    errors.IncompatibleSchema: 409,
    errors.NotTheItems: 409,
    errors.InvalidSchema: 42201,
    errors.InvalidVersion: 42202,
    errors.InvalidLevel: 42203,
    errors.InvalidMode: 42204,
    errors.NotPermitted: 42205,
    errors.Referenced: 42206,
    errors.InvalidSubject: 42208,
}
BY_STATUS = {401: 40101, 403: 40301, 503: 50003}  # what every area refuses, in Confluent's numbers


def spoken_at(path: str) -> bool:
    """Whether answers at this path have Confluent's form."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def refusal(exc: ExchangeError, status: int, lang: Lang, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    """Return an error in Confluent's form; status and ``headers`` are those that it has in the registry's own."""
    message = " ".join(part for part in (exc.message(lang), exc.next_step(lang)) if part)
    return worded(status, CODES.get(type(exc), BY_STATUS.get(status, status)), message, headers)


def invalid(exc: RequestValidationError, lang: Lang) -> Response:
    """Return what a request has wrong that is no matter of schemas; the input itself is left out."""
    first = next(iter(exc.errors()), {"loc": ("-",), "msg": "-"})
    field = ".".join(str(part) for part in first["loc"] if part != "body")
    return refusal(Invalid(field=field, reason=first["msg"]), 422, lang)


def worded(status: int, code: int, message: str, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    """Return an answer of Confluent's form."""
    content = json.dumps({"error_code": code, "message": message}, ensure_ascii=False)
    return Response(content, status, headers, MEDIA_TYPE)
