"""The registry's databases as a parameter: SQLite in `make test`, PostgreSQL in `make proofs` (CI runs both)."""

from __future__ import annotations

import pytest

BOTH_DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.proof)]
