"""What the OpenAPI document says of every operation alike: its refusals, and the headers that it honours."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from registry.web.preconditions import entity_of
from registry.web.problems import JSON_TYPE
from registry.web.repeats import LOOKS

Json = dict[str, Any]
API = "/api/"
CONFLUENT = "/schema-registry"
TOKENS = "/oauth2/"
JSON = "application/json"
CONFLUENT_TYPE = "application/vnd.schemaregistry.v1+json"
CHANGES = frozenset({"post", "put", "patch", "delete"})
METHODS = CHANGES | {"get"}
PROBLEM = "Problem"
OAUTH_ERROR = "OAuthError"

TOLD = {
    400: "The request can not be read / 请求无法解析",
    401: "No valid token / 令牌无效",
    403: "Not allowed / 无权操作",
    404: "There is no such thing, or it is not the caller's to see / 不存在或不可见",
    409: "It contradicts what is there / 与现有数据冲突",
    412: "It is not as If-Match says / 与 If-Match 不符",
    413: "The request is too large / 请求过大",
    422: "A value is not what it has to be / 参数无效",
    428: "If-Match is needed / 需要 If-Match",
    429: "Too many requests; Retry-After says how long to wait / 请求过于频繁",
    503: "Database or broker do not answer / 数据库或消息服务暂不可用",
}
EVERYWHERE = (400, 401, 403, 404, 409, 413, 422, 429, 503)
ON_CHANGES = (412, 428)

PROBLEM_SCHEMA: Json = {
    "title": PROBLEM,
    "description": "An error (RFC 9457), in the language of Accept-Language",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "message", "hint"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:exchange:problem:wrong_state"]},
        "title": {"type": "string", "examples": ["wrong_state"]},
        "status": {"type": "integer", "examples": [409]},
        "detail": {"type": "string", "examples": ["申请当前为 granted，需要为 waiting"]},
        "code": {"type": "string", "description": "stable, for programs", "examples": ["wrong_state"]},
        "message": {"type": "string", "description": "what happened: the same as detail"},
        "hint": {"type": "string", "description": "what to do next", "examples": ["请先查看当前状态再操作。"]},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "each invalid field"},
    },
}
OAUTH_SCHEMA: Json = {
    "title": OAUTH_ERROR,
    "description": "A refused token request (RFC 6749 §5.2)",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "examples": ["invalid_client"]},
        "error_description": {"type": "string", "examples": ["client_id 或密钥错误"]},
    },
}
IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "sent again with the same key and body, the request is answered as before and done once",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    "example": "5f1c7b1e-2c52-4b8e-9c55-0d1f2f5c1a77",
}
IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "the ETag that the change was decided on; another state by now is answered 412",
    "schema": {"type": "string", "maxLength": 200, "pattern": "^[!-~]+$"},
    "example": '"0123456789abcdef0123456789abcdef"',
}


def install(app: FastAPI) -> None:
    """Make the application describe itself completely."""

    def openapi() -> Json:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, routes=app.routes, description=app.description)
            app.openapi_schema = completed(made)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def completed(document: Json) -> Json:
    """Return ``document`` with the refusals and headers of each operation; what an operation says itself stays."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas[PROBLEM] = PROBLEM_SCHEMA
    schemas[OAUTH_ERROR] = OAUTH_SCHEMA
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in METHODS:
                _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: Json) -> None:
    responses: Json = operation["responses"]
    if _is_default(responses.get("422")):
        del responses["422"]
    statuses = (*EVERYWHERE, *(ON_CHANGES if method in CHANGES else ()))
    if path.startswith(CONFLUENT):
        _tell_both(responses)
    for status in statuses:
        responses.setdefault(str(status), _refusal(path, status))
    if path.startswith(API) and method == "post" and path not in LOOKS:
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    if path.startswith(API) and method in CHANGES and entity_of(path):
        operation.setdefault("parameters", []).append(IF_MATCH)


def _tell_both(responses: Json) -> None:
    """Confluent's own registry answers in one of two content types, by what the client accepts."""
    for response in responses.values():
        content = response.get("content", {})
        for kind in (JSON, CONFLUENT_TYPE):
            if content and kind not in content:
                content[kind] = next(iter(content.values()))


def _refusal(path: str, status: int) -> Json:
    name = OAUTH_ERROR if path.startswith(TOKENS) and status in {400, 401} else PROBLEM
    schema = {"$ref": f"#/components/schemas/{name}"}
    kinds = [JSON] if name == OAUTH_ERROR else [JSON_TYPE]
    answer: Json = {"description": TOLD[status], "content": {kind: {"schema": schema} for kind in kinds}}
    if path.startswith(CONFLUENT):
        answer["content"] = {CONFLUENT_TYPE: {}, JSON: {}, **answer["content"]}
    if status == 429:  # noqa: PLR2004 (the status that it is about)
        answer["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    return answer


def _is_default(response: Json | None) -> bool:
    """Whether it is FastAPI's own form of a refusal, which this API never sends."""
    return response is not None and "HTTPValidationError" in str(response)
