"""No adapter is outside the conformance suite."""

from __future__ import annotations

from adapters import kinds
from tests.integration.adapters import suite


def test_each_kind_has_a_place_in_the_conformance_suite() -> None:
    assert set(suite.ORIGINS.values()) == set(kinds.names("source"))
    assert set(suite.TARGETS.values()) == set(kinds.names("sink"))


def test_the_slower_places_are_not_all_that_a_kind_has() -> None:
    for places in (suite.ORIGINS, suite.TARGETS):
        assert {kind for name, kind in places.items() if name not in suite.SLOWER} == set(places.values())
