"""One adapter file: who, which resource, from or to where, and how much may go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from adapters import kinds
from adapters.history import StateFolder
from adapters.mapping import Mapped
from adapters.mapping_source import MappedSource, Plan, verify_names
from adapters.protocol import BATCH_BYTES, Sink, Source, Stream
from adapters.quality import QualityRule
from adapters.schedule import Schedule, read_schedule
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
    schedule: str | None = Field(
        default=None,
        description="when to run, by cron's five fields; interval_s does not count then",
        examples=["0 2 * * *"],
    )
    zone: str = Field(default="Asia/Shanghai", description="time zone of the schedule", examples=["Asia/Shanghai"])
    missed: Literal["run", "skip"] = Field(
        default="run", description="a scheduled time that passed while nothing ran: run at the start, or skip it"
    )
    state_dir: Path | None = Field(
        default=None, description="where status, history and the wish to pause are kept", examples=["state"]
    )


class Limits(Group):
    """How big batches are, and how much may go wrong before the adapter stops."""

    batch_rows: int = Field(default=10_000, ge=1, le=100_000, description="most rows in one transaction")
    batch_bytes: int = Field(
        default=BATCH_BYTES, ge=1, description="a batch that is about this large is not filled further"
    )
    rows_per_s: float | None = Field(
        default=None, gt=0, description="most rows in a second, to spare the source or destination", examples=[1000]
    )
    batch_wait_ms: int = Field(default=200, ge=1, le=60_000, description="longest wait for a landing to fill")
    max_rejects: int = Field(
        default=100, ge=0, description="more rejected records in one pass (of changes: in one hour) stop the adapter"
    )
    max_delete_share: float = Field(
        default=0.5, ge=0, le=1, description="a pass that would delete a larger share of the resource is refused"
    )
    rows_in_memory: int = Field(
        default=500_000,
        ge=0,
        description="rows that a pass over a whole source keeps in memory to compare; more go into a file in state_dir",
    )
    rejects_dir: Path | None = Field(default=None, description="where rejected records are kept", examples=["rejects"])

    @property
    def rows_at_once(self) -> int:
        """Most rows in a batch: with a rate limit at most those of one second, so that no wait is long."""
        return self.batch_rows if self.rows_per_s is None else max(1, min(self.batch_rows, int(self.rows_per_s)))


class AdapterFile(SystemSettings):
    """An adapter file as read; ``source`` xor ``sink`` is there."""

    adapter: AdapterSettings
    limits: Limits = Limits()
    mapping: dict[str, Mapped] = Field(default={}, description="how columns become items, by item")
    quality: dict[str, tuple[QualityRule, ...]] = Field(default={}, description="rules beyond the resource's, by item")
    source: PartConfig | None = None
    sink: PartConfig | None = None

    @field_validator("quality", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        """Allow one table ``[quality.x]`` where there could be several ``[[quality.x]]``."""
        if not isinstance(given, dict):
            return given
        return {name: [rules] if isinstance(rules, dict) else rules for name, rules in given.items()}


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """One adapter, ready to be made: its settings and its kind."""

    settings: AdapterFile
    side: Side
    kind: kinds.Kind
    part: PartConfig
    file: Path
    rejects_dir: Path
    state: StateFolder
    schedule: Schedule | None

    def stream(self, contract: Contract) -> Stream:
        """Return what the source or sink is told. Errors: ConfigError when columns name unknown items."""
        columns = self.settings.adapter.columns
        items = [item.name for item in contract.items]
        unknown = sorted(set(columns) - set(items))
        if unknown:
            raise ConfigError(
                file=self.file,
                key=f"adapter.columns.{unknown[0]}",
                expected=Text(f"an item: {', '.join(items)}", f"信息项之一：{', '.join(items)}"),
                found=Text("an item that the resource does not have", "资源中没有的信息项"),
                example=f'{items[0]} = "{items[0].upper()}"',
            )
        limits = self.settings.limits
        return Stream(
            contract=contract, columns=columns, batch_rows=limits.rows_at_once, batch_bytes=limits.batch_bytes
        )

    def source(self, contract: Contract) -> Source:
        """Return the adapter's source, behind its mapping and rules. Errors: ConfigError."""
        stream, mapping, quality = self.stream(contract), self.settings.mapping, self.settings.quality
        if not (mapping or quality):
            return self.kind.source(self.part, stream)
        verify_names(mapping, quality, stream.items, self.file)
        zone = ZoneInfo(getattr(self.part, "zone", self.settings.adapter.zone))
        plan = Plan(stream, mapping, quality, zone, self.file)
        return MappedSource(self.kind.source(self.part, plan.stream), plan)

    def sink(self, contract: Contract) -> Sink:
        """Return the adapter's sink."""
        return self.kind.sink(self.part, self.stream(contract))


@dataclass(frozen=True, slots=True)
class Known:
    """What can be told of an adapter without its secrets."""

    file: Path
    name: str
    resource: str
    side: Side
    kind: str
    state: StateFolder


class _Named(BaseModel):
    model_config = ConfigDict(extra="ignore")
    adapter: AdapterSettings


def read_known(path: Path) -> Known:
    """Return what an operator's commands need of an adapter file. Errors: ConfigError."""
    side, kind = _side(path)
    adapter = load(_Named, path).adapter
    return Known(path, adapter.name, adapter.resource, side, kind, _state_of(adapter, path))


def _state_of(adapter: AdapterSettings, path: Path) -> StateFolder:
    return StateFolder(adapter.state_dir or path.parent / "state", adapter.name)


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
    if side == "sink" and (settings.mapping or settings.quality):
        raise _only_sources(path, "mapping" if settings.mapping else "quality")
    adapter = settings.adapter
    return AdapterConfig(
        settings=settings,
        side=side,
        kind=kind,
        part=part,
        file=path,
        rejects_dir=settings.limits.rejects_dir or path.parent / "rejects",
        state=_state_of(adapter, path),
        schedule=read_schedule(adapter.schedule, adapter.zone, path) if adapter.schedule else None,
    )


def _only_sources(file: Path, group: str) -> ConfigError:
    return ConfigError(
        file=file,
        key=group,
        expected=Text(
            "only adapter.columns: a sink lands the items as they are", "仅可用 adapter.columns：落地时信息项保持原样"
        ),
        found=f"[{group}]",
        example='[adapter.columns]\nname = "XM"',
    )


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
