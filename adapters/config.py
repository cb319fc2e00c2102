"""One adapter file: who, which resource, from or to where, and how much may go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from adapters import kinds
from adapters.protocol import Sink, Source, Stream
from adapters.spec import PartConfig, Side
from exchange.config import Group, load
from exchange.contract import Contract
from exchange.errors import ConfigError
from exchange.settings import SystemSettings
from exchange.text import Text


class AdapterSettings(Group):
    """What the adapter is called, and what it carries."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,59}$",
        description="the adapter's name: a-z, 0-9 and -; its position is kept under it",
        examples=["villages"],
    )
    resource: str = Field(description="code of the resource", examples=["307440000/000001"])
    on_refused: Literal["wait", "stop"] = Field(default="wait", description="without a grant: wait for it, or stop")
    interval_s: float = Field(default=10.0, ge=0, description="seconds between looks at the source; 0: one pass")
    columns: dict[str, str] = Field(
        default={}, description="item = column, where the names differ", examples=['{ code = "CUN_DM" }']
    )


class Limits(Group):
    """How big batches are, and how much may go wrong before the adapter stops."""

    batch_rows: int = Field(default=5000, ge=1, le=100_000, description="most rows in one transaction")
    batch_wait_ms: int = Field(default=200, ge=1, le=60_000, description="longest wait for a landing to fill")
    max_rejects: int = Field(default=100, ge=0, description="more rejected records in one pass stop the adapter")
    max_delete_share: float = Field(
        default=0.5, ge=0, le=1, description="a pass that would delete a larger share of the resource is refused"
    )
    rejects_dir: Path | None = Field(default=None, description="where rejected records are kept", examples=["rejects"])


class AdapterFile(SystemSettings):
    """An adapter file as read; ``source`` xor ``sink`` is there."""

    adapter: AdapterSettings
    limits: Limits = Limits()
    source: PartConfig | None = None
    sink: PartConfig | None = None


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """One adapter, ready to be made: its settings and its kind."""

    settings: AdapterFile
    side: Side
    kind: kinds.Kind
    part: PartConfig
    rejects_dir: Path

    def stream(self, contract: Contract) -> Stream:
        """Return what the source or sink is told. Errors: ConfigError when columns name unknown items."""
        columns = self.settings.adapter.columns
        items = [item.name for item in contract.items]
        unknown = sorted(set(columns) - set(items))
        if unknown:
            raise ConfigError(
                file=self.rejects_dir.parent,
                key=f"adapter.columns.{unknown[0]}",
                expected=Text(f"an item: {', '.join(items)}", f"信息项之一：{', '.join(items)}"),
                found=Text("an item that the resource does not have", "资源中没有的信息项"),
                example=f'{items[0]} = "{items[0].upper()}"',
            )
        return Stream(contract=contract, columns=columns, batch_rows=self.settings.limits.batch_rows)

    def source(self, contract: Contract) -> Source:
        """Return the adapter's source."""
        return self.kind.source(self.part, self.stream(contract))

    def sink(self, contract: Contract) -> Sink:
        """Return the adapter's sink."""
        return self.kind.sink(self.part, self.stream(contract))


def read_adapter(path: Path) -> AdapterConfig:
    """Return the adapter that a file describes, environment variables over it. Errors: ConfigError."""
    side, kind_name = _side(path)
    kind = kinds.find(side, kind_name, str(path))
    # A model of this very adapter, so that its keys get the same checks, variables and messages as all others.
    fields: dict[str, Any] = {side: (kind.config, Field(description=f"the {side}"))}
    model = create_model("AdapterFile", __base__=AdapterFile, **fields)
    settings = load(model, path)
    part: PartConfig = getattr(settings, side)
    part.verify(str(path), side)
    rejects = settings.limits.rejects_dir or path.parent / "rejects"
    return AdapterConfig(settings=settings, side=side, kind=kind, part=part, rejects_dir=rejects)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")
    kind: str = Field(description="the kind of source or sink", examples=["csv"])


class _Parts(BaseModel):
    model_config = ConfigDict(extra="ignore")
    source: _Part | None = None
    sink: _Part | None = None


def _side(path: Path) -> tuple[Side, str]:
    parts = load(_Parts, path)
    if parts.source and not parts.sink:
        return "source", parts.source.kind
    if parts.sink and not parts.source:
        return "sink", parts.sink.kind
    both = Text("both", "两者都有") if parts.sink else Text("neither", "两者都没有")
    raise ConfigError(
        file=path,
        key="source | sink",
        expected=Text("either [source] or [sink]", "[source] 与 [sink] 二选一"),
        found=both,
        example='[source]\\nkind = "csv"\\npath = "villages.csv"',
    )
