"""Errors as HTTP: one table from error class to status, one form (RFC 9457), in the reader's language."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from exchange.errors import ExchangeError, NotConnected, Refused
from exchange.text import Lang, accepted_lang
from registry import errors
from registry.schema_registry import problems as confluent

STATUS: dict[type[ExchangeError], int] = {
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    Refused: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Invalid: 422,
    errors.TooLarge: 413,
    errors.PreconditionFailed: 412,
    errors.PreconditionRequired: 428,
    errors.TooManyRequests: 429,
    errors.BrokerRefused: 502,
    NotConnected: 503,
    ExchangeError: 500,
}
JSON_TYPE = "application/problem+json"


def install(app: FastAPI) -> None:
    """Make ``app`` answer all errors in these forms."""

    def on_error(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, ExchangeError)
        if confluent.spoken_at(request.url.path):
            return confluent.refusal(exc, status_of(exc), request_lang(request), _headers(exc))
        return answer(exc, request_lang(request))

    def on_oauth(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, errors.OAuthError)
        return oauth_answer(exc, request_lang(request))

    def on_invalid(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        if confluent.spoken_at(request.url.path):
            return confluent.invalid(exc, request_lang(request))
        return _invalid(exc, request_lang(request))

    def on_http(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        if confluent.spoken_at(request.url.path):
            return confluent.worded(exc.status_code, exc.status_code, str(exc.detail))
        return problem(exc.status_code, f"http_{exc.status_code}", str(exc.detail), "", dict(exc.headers or {}))

    app.add_exception_handler(errors.OAuthError, on_oauth)
    app.add_exception_handler(ExchangeError, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)


def status_of(exc: ExchangeError) -> int:
    """Return the status of an error: that of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(exc).__mro__ if kind in STATUS)


def answer(exc: ExchangeError, lang: Lang) -> Response:
    """Return an error as problem+json."""
    extra = {"items": list(exc.items)} if isinstance(exc, errors.Incompatible) else {}
    return problem(status_of(exc), exc.code, exc.message(lang), exc.next_step(lang), _headers(exc), **extra)


def _headers(exc: ExchangeError) -> dict[str, str]:
    """Return the headers that an error has in every form of answer."""
    if isinstance(exc, errors.Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": str(exc.wait_s)} if isinstance(exc, errors.TooManyRequests) else {}


def oauth_answer(exc: errors.OAuthError, lang: Lang) -> Response:
    """Return a refused token request in the form of RFC 6749 §5.2."""
    unknown_client = exc.error == "invalid_client"
    headers = {"Cache-Control": "no-store"}
    if unknown_client:
        headers["WWW-Authenticate"] = 'Basic realm="exchange"'
    content = {"error": exc.error, "error_description": exc.reason.format(lang)}
    return JSONResponse(content, 401 if unknown_client else 400, headers)


def problem(status: int, code: str, message: str, hint: str, headers: dict[str, str], **extra: Any) -> Response:
    """Return a problem (RFC 9457) with ``code``, ``message`` (the same as ``detail``) and ``hint``."""
    content = {
        "type": f"urn:exchange:problem:{code}",
        "title": code,
        "status": status,
        "detail": message,
        "code": code,
        "message": message,
        "hint": hint,
        **extra,
    }
    return JSONResponse(content, status, headers, media_type=JSON_TYPE)


def request_lang(request: Request) -> Lang:
    """Return the language that the request asks for."""
    return accepted_lang(request.headers.get("accept-language"))


def lang_of(header: bytes) -> Lang:
    """Return the language of a raw Accept-Language header."""
    return accepted_lang(header.decode("latin-1"))


def _invalid(exc: RequestValidationError, lang: Lang) -> Response:
    # The input itself is left out: it may be a secret.
    faults = [
        {"field": ".".join(str(part) for part in error["loc"] if part != "body"), "reason": error["msg"]}
        for error in exc.errors()
    ]
    first = faults[0] if faults else {"field": "-", "reason": "-"}
    fault = errors.Invalid(**first)
    return problem(422, fault.code, fault.message(lang), fault.next_step(lang), {}, errors=faults)
