"""The adapters that there are: a listing of this folder, ``source_<kind>.py`` and ``sink_<kind>.py``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.protocol import Sink, Source, Stream
from adapters.spec import PartConfig, Side, Spec
from exchange.errors import ConfigError

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Kind:
    """One adapter: its spec, its configuration, and how one is made."""

    name: str
    spec: Spec
    config: type[PartConfig]
    open: Callable[[PartConfig, Stream], Any]

    def source(self, config: PartConfig, stream: Stream) -> Source:
        """Return a source; nothing is opened before its ``connect``."""
        made: Source = self.open(config, stream)
        return made

    def sink(self, config: PartConfig, stream: Stream) -> Sink:
        """Return a sink; nothing is opened before its ``connect``."""
        made: Sink = self.open(config, stream)
        return made


def names(side: Side) -> list[str]:
    """Return the kinds of one side, sorted."""
    return sorted(path.stem.removeprefix(f"{side}_") for path in HERE.glob(f"{side}_*.py"))


def find(side: Side, kind: str, file: str) -> Kind:
    """Return one adapter. Errors: ConfigError naming the kinds there are; ``file`` is the adapter file."""
    known = names(side)
    if kind not in known:
        raise ConfigError(
            file=file, key=f"{side}.kind", expected=" | ".join(known), found=repr(kind), example=f'kind = "{known[0]}"'
        )
    module = importlib.import_module(f"adapters.{side}_{kind}")
    return Kind(name=kind, spec=module.SPEC, config=module.Config, open=getattr(module, f"open_{side}"))
