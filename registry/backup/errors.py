"""Why a backup is not made, or not restored; each names the next step."""

from __future__ import annotations

from exchange.text import Text
from registry.errors import RegistryError


class BackupError(RegistryError):
    """A backup can not be made or restored."""

    code = "backup"


class NothingToSave(BackupError):
    """There is no registry where the settings say."""

    code = "nothing_to_save"
    text = Text("There is no registry in {place}", "{place} 中没有登记中心数据")
    hint = Text(
        "Name the node's file with --config, or the registry's with --registry.",
        "请用 --config 指定节点配置文件，或用 --registry 指定登记中心配置文件。",
    )


class Exists(BackupError):
    """A file of that name is there already."""

    code = "backup_exists"
    text = Text("{place} exists already", "{place} 已存在")
    hint = Text(
        "Name another file, or a directory: then the file gets a name of its own.", "请换一个文件名，或给出目录。"
    )


class BadBackup(BackupError):
    """The archive is not one of ours, or not as it was made: nothing was changed."""

    code = "bad_backup"
    exit_code = 7
    text = Text("{file} is not a backup to restore: {reason}", "{file} 不能用于恢复：{reason}")
    hint = Text(
        "Nothing was changed. Take another copy, and compare its SHA-256 with the one that `exchange backup` printed.",
        "未作任何更改。请换用其他副本，并与 `exchange backup` 输出的 SHA-256 比对。",
    )


class BadKey(BackupError):
    """An age recipient or identity can not be used."""

    code = "bad_key"
    text = Text("{what}: {reason}", "{what}：{reason}")
    hint = Text(
        "A recipient begins with age1…; an identity file is what `age-keygen` writes.",
        "接收方公钥以 age1… 开头；身份文件由 `age-keygen` 生成。",
    )


class StillRuns(BackupError):
    """A registry runs on what would be overwritten."""

    code = "still_runs"
    text = Text("A registry runs on {place}: {reason}", "{place} 上有登记中心正在运行：{reason}")
    hint = Text(
        "Stop each of them first (`exchange down`, `systemctl stop exchange-registry`); a killed one counts for 20 s.",
        "请先停止所有登记中心进程（`exchange down`、`systemctl stop exchange-registry`）；被强制结束的需等待 20 秒。",
    )


class WouldOverwrite(BackupError):
    """There is a registry's data where the backup would go."""

    code = "would_overwrite"
    text = Text("There is a registry's data in {place}", "{place} 中已有登记中心数据")
    hint = Text(
        "With --force it is put aside under another name, and not deleted.", "使用 --force 时原数据改名保留，不会删除。"
    )


class ToolFailed(BackupError):
    """pg_dump or pg_restore did not do it."""

    code = "backup_tool"
    text = Text("{program}: {reason}", "{program}：{reason}")
    hint = Text(
        "PostgreSQL's client programs must be at least as new as the server: apt-get install postgresql-client.",
        "PostgreSQL 客户端程序版本不得低于服务端：apt-get install postgresql-client。",
    )
