"""What can go wrong with an adapter beyond the family of ``exchange.errors``."""

from __future__ import annotations

from exchange.errors import ExchangeError, NotConnected, SourceProblem
from exchange.text import Text


class SourceChanging(NotConnected):
    """The source changed while it was being read: this pass does not show it whole."""

    code = "source_changing"
    text = Text("{what} changed while it was being read", "{what} 在读取过程中发生变化")
    hint = Text(
        "It is read again by itself; write the new file elsewhere and rename it into place.",
        "系统会自动重读；请先写到别处，再改名替换。",
    )


class SourceAbsent(SourceProblem):
    """There is no such file or folder: a mistake of the settings, unless this run has read it before."""

    code = "source_absent"


class DiskFull(NotConnected):
    """There is no room on the adapter's own disk: it waits until there is."""

    code = "disk_full"
    text = Text("{path} cannot be written: {reason}", "无法写入 {path}：{reason}")
    hint = Text("Nothing is lost; make room and it goes on by itself.", "数据没有丢失；请清理磁盘空间，之后自动继续。")


class Unwritable(ExchangeError):
    """A file that the adapter must write cannot be written, and waiting does not help."""

    code = "unwritable"
    text = Text("{path} cannot be written: {reason}", "无法写入 {path}：{reason}")
    hint = Text(
        "Give the adapter's user the right to write there, or set limits.rejects_dir.",
        "请授予适配器用户写入权限，或设置 limits.rejects_dir。",
    )


class TooManyDeletes(ExchangeError):
    """A whole pass would delete a large share of the resource: probably an empty or truncated source."""

    code = "too_many_deletes"
    exit_code = 5
    text = Text(
        "{source} no longer has {gone} of {known} published rows, more than max_delete_share = {share} allows;"
        " nothing was deleted",
        "{source} 缺少已发布 {known} 条中的 {gone} 条，超过 max_delete_share = {share}；未删除任何记录",
    )
    hint = Text(
        "Check that the source is complete; if the rows are really gone, run once with --allow-deletes.",
        "请检查数据源是否完整；若确已删除，请加 --allow-deletes 运行一次。",
    )
