"""Provenance: who may ask what, how a key is written, and the way between nodes."""

from __future__ import annotations

import pytest

from exchange.items import Item, ItemType, KeyCodec
from registry.access.caller import Caller
from registry.errors import Forbidden
from registry.organisation.domain import Role
from registry.provenance.domain import Sides, View, key_bytes, path, view

NONE: frozenset[str] = frozenset()
ONE = frozenset({"city"})
PARENTS = {"440000": None, "440600": "440000", "440604": "440600", "440100": "440000", "999999": None}
NODES = frozenset({"440000", "440600", "440604"})


def sides(*, owner: bool = False, receivers: frozenset[str] = NONE, active: frozenset[str] = NONE) -> Sides:
    return Sides(owner, receivers, active, "440600")


def person(role: Role, division: str | None = None) -> Caller:
    return Caller("x", None if division else 1, role, None, division, frozenset({division} if division else ()))


def allowed(caller: Caller, about: Sides, *, by_key: bool) -> View | None:
    try:
        return view(caller, about, by_key=by_key)
    except Forbidden:
        return None


@pytest.mark.parametrize("by_key", [True, False])
def test_the_owner_sees_all_and_who_had_a_grant_asks_by_batch(by_key: bool) -> None:
    for caller in (person(Role.DATA_OWNER), person(Role.DEPARTMENT_ADMIN), Caller("city", 1, None, "city")):
        assert allowed(caller, sides(owner=True), by_key=by_key) is View.OWNER
        assert allowed(caller, sides(receivers=ONE, active=ONE), by_key=by_key) is View.RECEIVER
        assert allowed(caller, sides(receivers=ONE), by_key=by_key) == (None if by_key else View.RECEIVER)
        assert allowed(caller, sides(), by_key=by_key) is None
    assert allowed(person(Role.DEVELOPER), sides(owner=True, receivers=ONE, active=ONE), by_key=by_key) is None


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN])
def test_the_three_never_ask_by_key(role: Role) -> None:
    may = role is not Role.SECURITY_ADMIN
    whole = Caller("x", None, role)
    assert allowed(whole, sides(), by_key=False) is (View.METADATA if may else None)
    assert allowed(person(role, "440600"), sides(), by_key=False) is (View.METADATA if may else None)
    assert allowed(person(role, "440100"), sides(), by_key=False) is None, "another division"
    assert allowed(whole, sides(owner=True, receivers=ONE, active=ONE), by_key=True) is None


def test_a_key_is_written_as_records_have_it() -> None:
    items = [Item(name, name, ItemType.TEXT, length=20, primary_key=True) for name in ("a", "b")]
    assert key_bytes(['甲"1']) == KeyCodec(items[:1]).encode(('甲"1',))
    assert key_bytes(["甲", "1"]) == KeyCodec(items).encode(("甲", "1"))


def test_the_way_goes_up_to_where_both_meet_and_down() -> None:
    assert path("440000", "440000", PARENTS, NODES) == ["440000"]
    assert path("440604", "440000", PARENTS, NODES) == ["440604", "440600", "440000"]
    assert path("440604", "440100", PARENTS, NODES) == ["440604", "440600", "440000", "440100"]
    assert path("440000", "440604", PARENTS, frozenset()) == ["440000", "440604"]
    assert path("440000", "999999", PARENTS, NODES) == ["440000", "999999"]
    assert path("a", "b", {"a": "c", "c": "a"}, NODES) == ["a", "b"], "a circle ends"
