"""What can go wrong with the node on this machine, each with the line that mends it."""

from __future__ import annotations

from exchange.errors import ExchangeError
from exchange.text import Text


class NodeError(ExchangeError):
    """The embedded node cannot do what was asked."""

    code = "node"
    text = Text("The node: {reason}", "交换节点：{reason}")


class PortTaken(NodeError):
    """Another program listens on a port of the node."""

    code = "port_taken"
    text = Text("Port {port} for {what} is taken by another program", "{what}的端口 {port} 已被其他程序占用")
    hint = Text(
        "Set {key} in node.toml or {variable}=<a free port>.", "请在 node.toml 中设置 {key}，或 {variable}=<空闲端口>。"
    )


class PartDied(NodeError):
    """A process of the node ended by itself."""

    code = "part_died"
    text = Text(
        "{part} ended by itself; the last lines of its log:\n{tail}", "{part}意外退出；其日志的最后几行：\n{tail}"
    )
    hint = Text(
        "The whole log: {log}; `exchange up` starts it again.", "完整日志：{log}；用 `exchange up` 可重新启动。"
    )


class NotReady(NodeError):
    """A part of the node runs, but did not answer in time."""

    code = "not_ready"
    text = Text("{part} did not answer within {timeout_s} s: {reason}", "{part}在 {timeout_s} 秒内未应答：{reason}")
    hint = Text("See {log}; `exchange doctor` checks each part.", "请查看 {log}；可用 `exchange doctor` 逐项检查。")


class JarsMissing(NodeError):
    """There is no Kafka to start."""

    code = "jars_missing"
    text = Text("Kafka's jars are not in {place}", "{place} 中没有 Kafka 的 jar 文件")
    hint = Text(
        "Run `make setup`, or set KAFKA_HOME to an unpacked Kafka 4.",
        "请运行 `make setup`，或将 KAFKA_HOME 指向已解压的 Kafka 4。",
    )


class JavaMissing(NodeError):
    """There is no Java runtime."""

    code = "java_missing"
    text = Text("No Java runtime was found", "未找到 Java 运行环境")
    hint = Text(
        "Run `apt-get install openjdk-17-jre-headless`, or set JAVA_HOME.",
        "请运行 `apt-get install openjdk-17-jre-headless`，或设置 JAVA_HOME。",
    )


class FormatFailed(NodeError):
    """The broker's storage could not be formatted."""

    code = "format_failed"
    text = Text("Kafka's storage in {place} could not be formatted: {reason}", "无法格式化 {place} 的存储：{reason}")
    hint = Text(
        "Check the disk's space and rights with `exchange doctor`.", "请用 `exchange doctor` 检查磁盘空间与权限。"
    )


class Busy(NodeError):
    """Another command works on the same node."""

    code = "busy"
    text = Text(
        "Another `exchange up` or `exchange down` works on {place}",
        "另一个 `exchange up` 或 `exchange down` 正在操作 {place}",
    )
    hint = Text("Wait for it and try again.", "请等待其结束后重试。")


class PostgresMissing(NodeError):
    """There are no PostgreSQL server programs."""

    code = "postgres_missing"
    text = Text("PostgreSQL's server programs were not found", "未找到 PostgreSQL 服务端程序")
    hint = Text(
        "Run `apt-get install postgresql`, or set POSTGRES_HOME to the directory that holds bin/initdb.",
        "请运行 `apt-get install postgresql`，或将 POSTGRES_HOME 指向 bin/initdb 所在的目录。",
    )


class PostgresFailed(NodeError):
    """The private PostgreSQL cluster did not do as it was told."""

    code = "postgres_failed"
    text = Text("PostgreSQL's {program} failed: {reason}", "PostgreSQL 的 {program} 失败：{reason}")
