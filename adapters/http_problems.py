"""What an adapter that answers HTTP says when it refuses: errors of the family, as problem+json like the registry's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from exchange.errors import ExchangeError
from exchange.text import Lang, Text, accepted_lang

JSON_TYPE = "application/problem+json"
RETRY_S = 2  # what is asked of a client that should come again


class HttpRefusal(ExchangeError):
    """A request is not fulfilled. ``status``: of the answer; ``retry_s``: its Retry-After; ``more``: further fields."""

    code = "http_refusal"
    status: ClassVar[int] = 400
    retry_s: ClassVar[int | None] = None

    def __init__(self, more: Mapping[str, Any] | None = None, **facts: object) -> None:
        super().__init__(**facts)
        self.more = dict(more or {})


class Malformed(HttpRefusal):
    """The body, a header or a parameter cannot be read."""

    code = "malformed"
    text = Text("The request cannot be read: {reason}", "请求无法读取：{reason}")


class Unauthenticated(HttpRefusal):
    """The secret is missing or another one."""

    code = "unauthenticated"
    status = 401
    text = Text("No valid secret", "密钥缺失或无效")
    hint = Text(
        "Send `Authorization: Bearer <secret>`, or Basic with the user of the adapter file.",
        "请发送 `Authorization: Bearer <密钥>`，或使用适配器文件中用户的 Basic 认证。",
    )


class NoSuchPlace(HttpRefusal):
    """No such path, or not with this method."""

    code = "not_found"
    status = 404
    text = Text("There is nothing at this path for this method", "该路径或方法不存在")


class TooSlow(HttpRefusal):
    """The body did not come in time."""

    code = "too_slow"
    status = 408
    text = Text("The body did not arrive within {seconds} s", "请求体未在 {seconds} 秒内到达")


class StillRunning(HttpRefusal):
    """The same batch is being published just now."""

    code = "still_running"
    status = 409
    retry_s = RETRY_S
    text = Text("The batch of this id is still being published", "该编号的批次正在发布")
    hint = Text("Send it again in a moment; it counts once.", "请稍后重发；只计一次。")


class CursorGone(HttpRefusal):
    """The records after a cursor are not kept any more: they were acknowledged by a later one."""

    code = "cursor_gone"
    status = 410
    text = Text("What follows this cursor was acknowledged already", "该游标之后的记录已确认")
    hint = Text(
        "Ask without a cursor: it goes on after the last acknowledged record.", "请不带游标请求，从上次确认处继续。"
    )


class TooLarge(HttpRefusal):
    """More bytes or records than one request may have."""

    code = "too_large"
    status = 413
    text = Text("More than {limit} {what}", "超过 {limit} {what}")
    hint = Text("Send smaller batches.", "请分成较小的批次发送。")


class UnsupportedMedia(HttpRefusal):
    """A content type or encoding that is not read here."""

    code = "unsupported_media_type"
    status = 415
    text = Text("{found} is not read here; send {expected}", "不支持 {found}；请发送 {expected}")


class OtherContent(HttpRefusal):
    """A batch id that was used for another content."""

    code = "other_content"
    status = 422
    text = Text("This batch id was used for another content", "该批次编号已用于其他内容")
    hint = Text("Give each batch an id of its own.", "请为每个批次使用不同的编号。")


class RecordsRejected(HttpRefusal):
    """Some records are wrong, and the batch was wanted whole or not at all: nothing was published."""

    code = "records_rejected"
    status = 422
    text = Text(
        "{rejected} of {total} records are wrong; nothing was published",
        "{total} 条中 {rejected} 条有误；未发布任何记录",
    )
    hint = Text("Correct them, or send partial=true to publish the others.", "请更正，或以 partial=true 发布其余记录。")


class TooBusy(HttpRefusal):
    """As much is waiting as memory allows."""

    code = "too_busy"
    status = 429
    retry_s = RETRY_S
    text = Text("As much is waiting already as may wait", "等待处理的请求已达上限")
    hint = Text("Send it again after Retry-After.", "请按 Retry-After 稍后重发。")


class Unavailable(HttpRefusal):
    """The exchange cannot take it now; whether a batch was taken is answered when it is sent again."""

    code = "unavailable"
    status = 503
    retry_s = RETRY_S
    text = Text("The exchange cannot confirm it now", "交换系统暂时无法确认")
    hint = Text("Send the same again under the same id; it counts once.", "请以同一编号重发；只计一次。")


def lang_of(request: Request) -> Lang:
    """Return the language that the request asks for."""
    return accepted_lang(request.headers.get("accept-language"))


def answer(refusal: HttpRefusal, lang: Lang) -> Response:
    """Return a refusal as a problem (RFC 9457), with ``code``, ``message`` and ``hint`` as the registry has them."""
    message, headers = refusal.message(lang), {"Cache-Control": "no-store"}
    if refusal.retry_s is not None:
        headers["Retry-After"] = str(refusal.retry_s)
    if isinstance(refusal, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer, Basic realm="exchange"'
    content = {
        "type": f"urn:exchange:problem:{refusal.code}",
        "title": refusal.code,
        "status": refusal.status,
        "detail": message,
        "code": refusal.code,
        "message": message,
        "hint": refusal.next_step(lang),
        **refusal.more,
    }
    return JSONResponse(content, refusal.status, headers, media_type=JSON_TYPE)
