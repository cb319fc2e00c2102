"""``exchange backup`` and ``exchange restore``: a node's registry into one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exchange.cli import output
from exchange.cli.node import Config
from exchange.text import Text

if TYPE_CHECKING:
    from exchange.node.settings import NodeSettings
    from registry.settings import Settings

TARGET = Text("a new file, or a directory in which it gets a name of its own", "新文件，或目录（自动命名）")
FILE = Text("what `exchange backup` wrote", "`exchange backup` 生成的文件")
REGISTRY = Text(
    "settings file of a registry that runs without `exchange up`", "独立运行（不经 exchange up）的登记中心配置文件"
)
RECIPIENT = Text("encrypt with age for this public key (age1…); may be repeated", "以 age 公钥（age1…）加密，可重复")
IDENTITY = Text("file with the age identity that decrypts it", "用于解密的 age 身份文件")
SHA256 = Text("the digest that `exchange backup` printed", "`exchange backup` 输出的摘要")
FORCE = Text("put aside what is there", "将现有数据改名保留")
NO_START = Text("do not start the node afterwards", "恢复后不启动节点")
JSON = Text("print JSON", "输出 JSON")
SAVED = {
    "file": Text("file", "文件"),
    "sha256": Text("SHA-256, to be kept elsewhere", "SHA-256（请另行保存）"),
    "made_at": Text("made", "时间"),
    "database": Text("database", "数据库"),
    "files": Text("files", "文件数"),
    "grants": Text("grants", "授权"),
    "audit_entries": Text("audit entries", "审计条目"),
}
BACK = {
    "made_at": Text("as of", "数据时间"),
    "grants": Text("grants", "授权"),
    "audit_entries": Text("audit entries", "审计条目"),
    "audit_intact": Text("audit chain intact", "审计链完好"),
}

Registry = Annotated[Path | None, typer.Option("--registry", help=REGISTRY.format(), dir_okay=False)]
Json = Annotated[bool, typer.Option("--json", help=JSON.format())]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(help=Text("Save the registry: database, keys, audit", "备份登记中心：数据库、密钥、审计").format())(
        backup
    )
    app.command(help=Text("Bring a saved registry back", "从备份恢复登记中心").format())(restore)


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE|DIR", help=TARGET.format())],
    config: Config = None,
    registry: Registry = None,
    recipient: Annotated[list[str] | None, typer.Option("--recipient", "-r", help=RECIPIENT.format())] = None,
    json: Json = False,
) -> None:
    """Save the registry while it runs, into one file that only its owner reads (0600)."""
    from registry.backup import service  # noqa: PLC0415 - `exchange --help` stays quick

    _, settings = _settings(config, registry)
    saved = service.backup(settings, target, recipient or ())
    facts = saved.manifest.facts
    told = {
        "file": str(saved.file),
        "sha256": saved.sha256,
        "made_at": saved.manifest.made_at,
        "database": saved.manifest.database,
        "files": len(saved.manifest.files),
        "grants": facts.grants if json else _counts(facts.grants),
        "audit_entries": facts.audit_number,
    }
    output.emit_one(told, SAVED, json)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=FILE.format(), dir_okay=False)],
    config: Config = None,
    registry: Registry = None,
    force: Annotated[bool, typer.Option("--force", help=FORCE.format())] = False,
    sha256: Annotated[str | None, typer.Option("--sha256", help=SHA256.format())] = None,
    identity: Annotated[Path | None, typer.Option("--identity", "-i", help=IDENTITY.format(), dir_okay=False)] = None,
    no_start: Annotated[bool, typer.Option("--no-start", help=NO_START.format())] = False,
    json: Json = False,
) -> None:
    """Bring a registry back, and start its node: topics and ACLs follow from the grants. Exit code 7: tampered with."""
    from exchange.cli.audit import tampered  # noqa: PLC0415
    from registry.backup import service  # noqa: PLC0415

    node, settings = _settings(config, registry)
    restored = service.restore(settings, file, force=force, sha256=sha256, identity=identity)
    facts = restored.facts
    told = {
        "made_at": restored.manifest.made_at,
        "grants": facts.grants if json else _counts(facts.grants),
        "audit_entries": facts.audit_number,
        "audit_intact": restored.verdict.intact,
    }
    if node is not None and not no_start:
        from exchange.node.service import quiet, up  # noqa: PLC0415

        up(node, report=quiet if json else output.say)  # ready: the whole broker was compared, and so its ACLs are back
    output.emit_one(told, BACK, json)
    if (wrong := tampered(restored.verdict)) is not None:
        raise wrong


def _settings(config: Path | None, registry: Path | None) -> tuple[NodeSettings | None, Settings]:
    """Return the node, None for a registry on its own, and the registry's settings. Errors: ConfigError."""
    from exchange.config import load  # noqa: PLC0415
    from registry.settings import Settings  # noqa: PLC0415

    if registry is not None:
        return None, load(Settings, registry)
    from exchange.node.layout import Layout  # noqa: PLC0415
    from exchange.node.registry import environment  # noqa: PLC0415
    from exchange.node.settings import load_node  # noqa: PLC0415

    node = load_node(config)
    return node, load(Settings, None, environment(node, Layout.of(node.node.data_dir)))


def _counts(grants: dict[str, int]) -> str:
    return ", ".join(f"{state} {count}" for state, count in sorted(grants.items())) or "0"
