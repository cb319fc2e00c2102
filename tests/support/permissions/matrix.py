"""The form of the permission matrix: one Row an endpoint, in ``tests/support/permissions/<area>.py`` as ``ROWS``.

What is called belongs to the department ``stage.home`` of 佛山 (440600). Each role calls from four places: own (440600;
a department's roles are of the home department itself, the three are delegated to 440600), parent (440000), sibling
(440100) and child (440604). A row gives, for each role, one sign a place, in this order::

    + 2xx    - 403    ? 404 (not shown)

A role that is left out gets ``----``. The three have a fifth sign, for an account of the whole node; else that
of the parent. Nobody, without a token, gets 401 unless the row is ``public``; ``public`` rows are for everybody,
and their answers are tested elsewhere.

``prepare(stage)`` makes what a valid call needs and returns the Call. It runs once, and again after each 2xx, so that a
state that a call has used up is there again; ``each=True`` has it run before each call.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.registry_world import Office, Person, World

HOME = "440600"
PLACES = {"own": HOME, "parent": "440000", "sibling": "440100", "child": "440604"}
THREE = ("system_admin", "security_admin", "auditor")
STAFF = ("department_admin", "data_owner", "developer")
ROLES = (*THREE, *STAFF, "system")
STATUS = {"-": (403,), "?": (404,), "+": tuple(range(200, 300))}
EVERYBODY = dict.fromkeys(ROLES, "++++")
NO_AUDITOR = {**EVERYBODY, "auditor": "----"}


@dataclass(frozen=True)
class Call:
    """A valid call: the full path, its body and its parameters."""

    path: str
    body: Any = None
    params: dict[str, Any] = field(default_factory=dict)
    form: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None


class Stage:
    """The world of the matrix: the home department with its resource, and a caller of each role in each place."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._numbers = itertools.count(1)
        self.offices = {place: world.office(division, place) for place, division in PLACES.items()}
        self.callers: dict[tuple[str, str], Person] = {}
        for place, office in self.offices.items():
            self.callers["department_admin", place] = office.admin
            self.callers["system", place] = office.system
            for role in ("data_owner", "developer"):
                self.callers[role, place] = world.person(f"{place}-{role}", role, department_id=office.id)
            for role in THREE:
                self.callers[role, place] = world.person(f"{place}-{role}", role, division=PLACES[place])
        whole = (world.root, world.security, world.auditor)
        self.callers |= {(role, "whole"): person for role, person in zip(THREE, whole, strict=True)}

    @property
    def home(self) -> Office:
        """The department that everything belongs to."""
        return self.offices["own"]

    def word(self, prefix: str = "t") -> str:
        """A name that was not used yet."""
        return f"{prefix}-{next(self._numbers)}"

    def number(self) -> int:
        """A number that was not used yet."""
        return next(self._numbers)


@dataclass(frozen=True)
class Row:
    """What each role gets of one endpoint."""

    method: str
    path: str  # as the application declares it
    prepare: Callable[[Stage], Call]
    signs: dict[str, str] = field(default_factory=dict)
    public: bool = False
    each: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def expected(self) -> Iterator[tuple[str, str, tuple[int, ...]]]:
        """Each role, its place, and the statuses that it may get."""
        unknown = set(self.signs) - set(ROLES)
        assert not unknown, f"{self}: {unknown}"
        for role in ROLES:
            signs = self.signs.get(role, "----")
            assert len(signs) in ({4, 5} if role in THREE else {4}), f"{self}: {role}"
            for place, sign in zip(PLACES, signs, strict=False):
                yield role, place, STATUS[sign]
            if role in THREE:
                yield role, "whole", STATUS[signs[4] if len(signs) == 5 else signs[1]]


def nothing(path: str) -> Callable[[Stage], Call]:
    """A call that needs nothing prepared."""
    return lambda _stage: Call(path)


def public(method: str, path: str) -> Row:
    """A row of an endpoint that everybody may call, without a token."""
    return Row(method, path, nothing(path), public=True)
