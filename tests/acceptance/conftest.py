from __future__ import annotations

import os

import pytest


@pytest.fixture
def environment() -> dict[str, str]:
    """This process's environment without settings of ours, for adapters that a test starts."""
    return {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
