"""What is wrong in an adapter file is one line that names file, key, expectation and an example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters import kinds
from adapters.config import read_adapter
from adapters.spec import Side
from exchange.errors import ConfigError

GOOD = """
[identity]
client_id = "440000-mz-villages"
secret_file = "secret"
[registry]
url = "http://127.0.0.1:8440"
[adapter]
name = "villages"
resource = "307440000/000001"
[source]
kind = "csv"
path = "villages.csv"
"""


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "secret").write_text("s3cret", encoding="utf-8")
    path = tmp_path / "adapter.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_and_what_is_relative_to_it(tmp_path: Path) -> None:
    config = read_adapter(write(tmp_path, GOOD))
    assert config.side == "source"
    assert config.part.model_dump()["path"] == tmp_path / "villages.csv"
    assert config.rejects_dir == tmp_path / "rejects"
    assert "s3cret" not in repr(config)


def test_the_environment_goes_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_SOURCE_ENCODING", "gbk")
    monkeypatch.setenv("EXCHANGE_LIMITS_MAX_REJECTS", "7")
    config = read_adapter(write(tmp_path, GOOD))
    assert config.part.model_dump()["encoding"] == "gbk"
    assert config.settings.limits.max_rejects == 7


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('kind = "csv"', 'kind = "excel"', "source.kind", "csv | files"),
        ("[source]", "[sinks]", "source | sink", "either [source] or [sink]"),
        ('path = "villages.csv"', 'paht = "v"', "source.p", ""),
        ('path = "villages.csv"', 'path = "v"\nencoding = "latin-1"', "source.encoding", "gb18030"),
        ('name = "villages"', 'name = "Dörfer"', "adapter.name", ""),
        ('secret_file = "secret"', "", "identity.secret", "the system's secret"),
        (
            'kind = "csv"\npath = "villages.csv"',
            'kind = "sql"\ntable = "v"\nurl = "postgresql://me:s3cret@host/db"',
            "source.url",
            "an address without a password",
        ),
        (
            'kind = "csv"\npath = "villages.csv"',
            'kind = "sql"\ntable = "v"\nurl = "dm://host/db"',
            "source.url",
            "dm",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_adapter(write(tmp_path, GOOD.replace(old, new)))
    assert str(caught.value.facts["key"]).startswith(key)
    message = caught.value.message("en")
    assert words in message
    assert "s3cret" not in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("side", ["source", "sink"])
def test_every_kind_says_what_it_is(side: Side, tmp_path: Path) -> None:
    for name in kinds.names(side):
        kind = kinds.find(side, name, "adapter.toml")
        assert (kind.spec.side, kind.spec.kind) == (side, name)
        part = re.sub(r'(\w+_file) = "[^"]*"', r'\1 = "secret"', kind.spec.example)
        start = GOOD.partition("[source]")[0]
        assert read_adapter(write(tmp_path, start + part)).part.kind == name
