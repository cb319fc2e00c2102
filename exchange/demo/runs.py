"""The demo's adapters: the same ``exchange adapter run FILE`` that a department would start, each a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exchange.errors import ExchangeError
from exchange.text import Text

STOP_TIMEOUT_S = 20


class AdapterFailed(ExchangeError):
    """An adapter of the demo ended before it was told to."""

    code = "adapter_failed"
    text = Text("Adapter {name} ended with exit code {code}", "适配器 {name} 意外退出，退出码 {code}")
    hint = Text("Its log is {log}.", "日志见 {log}。")


class AdapterRun:
    """One adapter as a process; its output goes to a log file beside its configuration."""

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        self.file = file
        self.log = file.with_suffix(".log")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise AdapterFailed if the process has ended."""
        code = self._process.poll()
        if code is not None:
            raise AdapterFailed(name=self.file.stem, code=code, log=self.log)

    def stop(self) -> int:
        """Ask the adapter to flush, commit and end; return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()


def write_adapter_file(path: Path, tables: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write an adapter file; JSON's texts, numbers and booleans are TOML's."""
    lines: list[str] = []
    for table, keys in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]
        lines.append("")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
