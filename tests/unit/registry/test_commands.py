"""The commands of ``python -m registry`` that end by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.__main__ import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "registry.toml"
    file.write_text('[registry]\ndata_dir = "data"\n[broker]\njwks_file = "jwks.json"\n')
    return file


def test_migrate_makes_the_database(config: Path) -> None:
    assert main(["migrate", "--config", str(config)]) == 0
    assert (config.parent / "data/registry.db").exists()
    assert main(["migrate", "--config", str(config)]) == 0


def test_rotate_keys_publishes_the_new_key(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rotate-keys", "--config", str(config)]) == 0
    kid = capsys.readouterr().out.strip()
    keys = json.loads((config.parent / "jwks.json").read_text())["keys"]
    assert [key["kid"] for key in keys] == [kid]


def test_a_wrong_setting_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("[enforcer]\ninterval = 1\n")
    assert main(["serve", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert "enforcer.interval" in said
    assert str(config) in said


def test_a_database_that_is_away_is_said(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text('[database]\nurl = "postgresql://nobody@127.0.0.1:1/none"\n[registry]\ndata_dir = "data"\n')
    assert main(["migrate", "--config", str(config)]) == 1
    assert "database" in capsys.readouterr().err
