"""The error family of the bus: one root; a type says whether to wait, to stop or to skip a record.

Every error carries ``facts`` (the data), ``text`` (what happened) and ``hint`` (the next step), both in two
languages. ``exit_code`` is what a command ends with. Driver errors are translated once per driver,
always ``raise ... from exc``.
"""

from __future__ import annotations

from typing import ClassVar

from exchange.text import Lang, Text

NO_HINT = Text("", "")


class ExchangeError(Exception):
    """Something in the exchange failed."""

    code: ClassVar[str] = "exchange_error"
    text: ClassVar[Text] = Text("The exchange failed: {reason}", "交换失败：{reason}")
    hint: ClassVar[Text] = NO_HINT
    exit_code: ClassVar[int] = 1

    def __init__(self, **facts: object) -> None:
        super().__init__()
        self.facts = facts

    def message(self, lang: Lang | None = None) -> str:
        """Return what happened, in ``lang``."""
        return self.text.format(lang, **self.facts)

    def next_step(self, lang: Lang | None = None) -> str:
        """Return what the reader can do about it, in ``lang``; empty when there is nothing to say."""
        return self.hint.format(lang, **self.facts)

    def __str__(self) -> str:
        return " ".join(part for part in (self.message(), self.next_step()) if part)


class ConfigError(ExchangeError):
    """A configuration file or variable is wrong: names the file, the key, what is expected and an example."""

    code = "config"
    exit_code = 2
    text = Text(
        "{file}: {key}: expected {expected}, found {found}; for example: {example}",
        "{file}：{key}：应为 {expected}，实际为 {found}；例如：{example}",
    )


class NotConnected(ExchangeError):
    """The other side is away: transient, the engine waits and tries again."""

    code = "not_connected"
    text = Text("{what} cannot be reached: {reason}", "无法连接{what}：{reason}")
    hint = Text(
        "It is tried again by itself; `exchange doctor` checks each part.",
        "系统会自动重试；可用 `exchange doctor` 逐项检查。",
    )


class RegistryUnavailable(NotConnected):
    """The registry does not answer."""

    code = "registry_unavailable"
    text = Text("The registry at {url} cannot be reached: {reason}", "无法连接登记中心 {url}：{reason}")


class BrokerUnavailable(NotConnected):
    """The broker does not answer."""

    code = "broker_unavailable"
    text = Text("The broker cannot be reached: {reason}", "无法连接消息服务：{reason}")


class DatabaseUnavailable(NotConnected):
    """A source or destination database does not answer."""

    code = "database_unavailable"
    text = Text("The database cannot be reached: {reason}", "无法连接数据库：{reason}")


class BackOff(NotConnected):
    """The other side asks to wait ``wait_s`` seconds."""

    code = "back_off"
    text = Text("{what} asks to wait {wait_s} s", "{what}要求等待 {wait_s} 秒")


class Refused(ExchangeError):
    """The caller is known, but may not do this."""

    code = "refused"
    exit_code = 4
    text = Text("Refused: {reason}", "已拒绝：{reason}")


class NotFound(ExchangeError):
    """The registry does not know this."""

    code = "not_found"
    exit_code = 4
    text = Text("{what}: {reason}", "{what}：{reason}")
    hint = Text("Look the resource's code up in the catalogue.", "请在目录中核对资源代码。")


class NotGranted(Refused):
    """The broker itself refused: there is no ACL, so there is no grant."""

    code = "not_granted"
    text = Text(
        "The broker refused {client_id} on {target}: {reason}",
        "消息服务拒绝 {client_id} 访问 {target}：{reason}",
    )
    hint = Text(
        "Ask the owner for the resource in the catalogue; access opens with the grant.",
        "请在目录中向提供方申请该资源；授权后即可访问。",
    )


class LoginFailed(ExchangeError):
    """The credentials were not accepted."""

    code = "login_failed"
    exit_code = 3
    text = Text("{client_id} could not log in: {reason}", "{client_id} 登录失败：{reason}")
    hint = Text(
        "Check client_id and secret; a system administrator can issue a new secret.",
        "请核对 client_id 与密钥；系统管理员可重新签发密钥。",
    )


class Fenced(ExchangeError):
    """Another process runs under the same name and took over; this one must not write any more."""

    code = "fenced"
    exit_code = 6
    text = Text("Another process took over {name}", "另一进程已接管 {name}")
    hint = Text(
        "Run each adapter once, or give the copies different names.", "同一适配器只运行一个进程，或为副本另取名称。"
    )


class TooManyRejects(ExchangeError):
    """More records were rejected than the adapter file allows."""

    code = "too_many_rejects"
    exit_code = 5
    text = Text(
        "{rejected} records were rejected, more than max_rejects = {limit}",
        "拒收 {rejected} 条，超过 max_rejects = {limit}",
    )
    hint = Text(
        "See {file}; correct the source or raise limits.max_rejects.",
        "请查看 {file}；修正数据源或调高 limits.max_rejects。",
    )


class SourceProblem(ExchangeError):
    """A source as a whole cannot be used: retrying does not help."""

    code = "source_problem"
    text = Text("{source}: {reason}", "{source}：{reason}")


class SinkProblem(ExchangeError):
    """A destination as a whole cannot be used: retrying does not help."""

    code = "sink_problem"
    text = Text("{sink}: {reason}", "{sink}：{reason}")


class BadRecord(ExchangeError):
    """One value of one record is wrong; the record is rejected and the others go on.

    Facts: ``item`` (the item's name), ``rule`` (a short stable word), ``reason`` in both languages as a Text.
    The value itself is never part of the message: it may be personal data.
    """

    code = "bad_record"

    def __init__(self, item: str, rule: str, reason: Text) -> None:
        super().__init__(item=item, rule=rule, reason=reason)
        self.item = item
        self.rule = rule
        self.reason = reason

    def message(self, lang: Lang | None = None) -> str:
        """Return item and reason, in ``lang``."""
        return f"{self.item}: {self.reason.format(lang)}"
