"""What the registry refuses, and why; ``registry.web.problems`` has the one table that makes HTTP of it."""

from __future__ import annotations

import math

from exchange.errors import ExchangeError, Refused
from exchange.text import Text


class RegistryError(ExchangeError):
    """The registry cannot do what was asked."""

    code = "registry_error"


class NotFound(RegistryError):
    """There is no such thing, or it is not for the caller to see."""

    code = "not_found"
    text = Text("There is no {kind} {name}", "不存在{kind}：{name}")
    hint = Text("Check the spelling, or list what there is.", "请核对名称，或先查询列表。")


class Forbidden(Refused):
    """The caller is known, but this is not theirs to do."""

    code = "forbidden"
    text = Text("Not allowed: {reason}", "无权操作：{reason}")
    hint = Text("Ask an administrator of the department that it belongs to.", "请联系所属部门的管理员。")


class Unauthenticated(RegistryError):
    """There is no valid token."""

    code = "unauthenticated"
    text = Text("No valid token: {reason}", "令牌无效：{reason}")
    hint = Text(
        "Get one from /oauth2/token and send it as `Authorization: Bearer ...`.",
        "请从 /oauth2/token 获取令牌，并以 `Authorization: Bearer ...` 发送。",
    )


class Conflict(RegistryError):
    """It contradicts what is there already."""

    code = "conflict"
    text = Text("It conflicts with what is there: {reason}", "与现有数据冲突：{reason}")
    hint = Text("Read the present state, then decide again.", "请先查看当前状态再操作。")


class WrongState(Conflict):
    """The thing is in a state that does not allow this."""

    code = "wrong_state"
    text = Text("{thing} is {state}; {needed} is needed", "{thing}当前为 {state}，需要为 {needed}")


class Invalid(RegistryError):
    """A value is not what it has to be."""

    code = "invalid"
    text = Text("{field}: {reason}", "{field}：{reason}")
    hint = Text("Correct the value; /docs shows what each field takes.", "请更正该值；各字段要求见 /docs。")


class Incompatible(Conflict):
    """A new version of a published resource would break those who read it."""

    code = "incompatible_schema"
    text = Text("The change would break subscribers: {reason}", "该变更会使订阅方无法读取：{reason}")
    hint = Text(
        "Add an optional item beside it, or register a new resource; items that exist keep type and obligation.",
        "请另加可空信息项，或登记新资源；已有信息项的类型与必填性不可更改。",
    )

    def __init__(self, items: tuple[str, ...], reason: str) -> None:
        super().__init__(items=list(items), reason=reason)
        self.items = items


class TooLarge(RegistryError):
    """A request body is larger than the registry reads."""

    code = "too_large"
    text = Text("The request is larger than {limit} bytes", "请求超过 {limit} 字节")
    hint = Text("Send less at once.", "请减小单次请求的内容。")


class TooManyRequests(RegistryError):
    """A client asks more than its share; ``wait_s``: seconds until there is room again."""

    code = "too_many_requests"
    text = Text("Too many requests; try again in {wait_s} s", "请求过于频繁，请在 {wait_s} 秒后重试")
    hint = Text("Wait, then go on more slowly; Retry-After says how long.", "请等待后放慢频率；时长见 Retry-After。")

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, math.ceil(wait_s))
        super().__init__(wait_s=self.wait_s)


class PreconditionFailed(RegistryError):
    """The thing is not in the state that If-Match names."""

    code = "precondition_failed"
    text = Text("It is not as If-Match says: somebody changed it meanwhile", "与 If-Match 不符：期间已被修改")
    hint = Text("Read it again, and decide on what it is now.", "请重新读取后再修改。")


class PreconditionRequired(RegistryError):
    """The change has to name the state that it was decided on."""

    code = "precondition_required"
    text = Text("The change needs If-Match", "修改时须提供 If-Match")
    hint = Text("Read it first, and send its ETag as If-Match.", "请先读取，并以其 ETag 作为 If-Match 发送。")


class Repeating(Conflict):
    """The first request with this Idempotency-Key still runs."""

    code = "repeating"
    text = Text("A request with this Idempotency-Key still runs", "使用该 Idempotency-Key 的请求仍在处理")
    hint = Text("Send it again in a moment.", "请稍后重试。")


class NotMigrated(RegistryError):
    """The database's tables are those of another version."""

    code = "not_migrated"
    text = Text(
        "The database is at migration {found}; this version needs {needed}", "数据库处于迁移 {found}，需要 {needed}"
    )
    hint = Text(
        "An older database is migrated when a registry of this version starts; see docs/upgrading.md.",
        "旧数据库会在本版本登记中心启动时迁移；见 docs/upgrading.md。",
    )


class OAuthError(RegistryError):
    """A token request is refused; the answer has the form of RFC 6749 §5.2.

    ``error``: the RFC's word, e.g. invalid_client.
    """

    code = "oauth_error"
    text = Text("{error}: {reason}", "{error}：{reason}")

    def __init__(self, error: str, reason: Text) -> None:
        super().__init__(error=error, reason=reason)
        self.error = error
        self.reason = reason


class BrokerRefused(RegistryError):
    """The broker answered that it will not do what the enforcer asked."""

    code = "broker_refused"
    text = Text("The broker refused: {reason}", "消息服务拒绝执行：{reason}")
    hint = Text(
        "User:exchange-registry has to be in super.users of each broker.",
        "各节点的 super.users 须包含 User:exchange-registry。",
    )
