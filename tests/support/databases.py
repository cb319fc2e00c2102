"""The registry's databases as a parameter: SQLite in `make test`, PostgreSQL too in `make long` (CI runs both)."""

from __future__ import annotations

import pytest

BOTH_DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)]
