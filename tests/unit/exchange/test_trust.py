"""Certificate authorities are read for https only, once a file, and again when the file has changed."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import certifi
import pytest

from exchange.trust import trusted


def test_plain_http_reads_no_authorities() -> None:
    assert trusted("http://127.0.0.1:8440", Path("no-such-file.pem")) is False


@pytest.mark.parametrize("url", ["https://registry.example", "HTTPS://registry.example"])
def test_https_verifies(url: str) -> None:
    context = trusted(url, None)
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_file_is_read_once_and_again_when_it_was_renewed(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(Path(certifi.where()).read_bytes())
    first = trusted("https://registry.example", file)
    assert trusted("https://registry.example", file) is first
    os.utime(file, ns=(1, 1))
    assert trusted("https://registry.example", file) is not first


def test_a_file_that_is_missing_or_holds_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-such"):
        trusted("https://registry.example", tmp_path / "no-such.pem")
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(OSError):  # noqa: PT011 - OpenSSL's words differ by version
        trusted("https://registry.example", empty)
