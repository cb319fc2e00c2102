"""An objection as a value, and each step of its life: raise, accept, mark, verify, correct, close, archive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from exchange.text import Text
from registry.errors import Conflict, Forbidden, Invalid, WrongState


class State(StrEnum):
    """Where an objection stands; while it is marked, those who use the data know of the doubt."""

    RAISED = "raised"
    ACCEPTED = "accepted"
    MARKED = "marked"
    VERIFIED = "verified"
    CORRECTED = "corrected"
    CLOSED = "closed"
    ARCHIVED = "archived"


class Step(StrEnum):
    """What is done to an objection after it was raised."""

    ACCEPT = "accept"
    MARK = "mark"
    VERIFY = "verify"
    CORRECT = "correct"
    CLOSE = "close"
    ARCHIVE = "archive"


LEADS: dict[Step, tuple[frozenset[State], State]] = {
    Step.ACCEPT: (frozenset({State.RAISED}), State.ACCEPTED),
    Step.MARK: (frozenset({State.ACCEPTED}), State.MARKED),
    Step.VERIFY: (frozenset({State.MARKED}), State.VERIFIED),
    Step.CORRECT: (frozenset({State.VERIFIED}), State.CORRECTED),
    Step.CLOSE: (frozenset({State.VERIFIED, State.CORRECTED}), State.CLOSED),
    Step.ARCHIVE: (frozenset({State.CLOSED}), State.ARCHIVED),
}
TOLD = frozenset({State.MARKED, State.VERIFIED, State.CORRECTED, State.CLOSED})  # to all who received the data
OPEN = frozenset({State.RAISED, State.ACCEPTED, State.MARKED, State.VERIFIED, State.CORRECTED})


@dataclass(frozen=True, slots=True)
class Sides:
    """The departments that an objection is between."""

    provider: int
    raiser: int


@dataclass(frozen=True, slots=True)
class Objection:
    """Where an objection stands: whether it is founded, what was found, what was done."""

    state: State
    founded: bool | None = None
    finding: str | None = None
    result: str | None = None


def turn_of_provider(now: Objection) -> bool:
    """Whether the next step is the provider's: what was found unfounded or is corrected either side closes."""
    if now.state is State.VERIFIED:
        return bool(now.founded)
    return now.state in {State.RAISED, State.ACCEPTED, State.MARKED}


def accept(now: Objection, sides: Sides, by: int | None) -> Objection:
    """Return the objection taken up by the provider. Errors: Forbidden, WrongState."""
    return _step(now, Step.ACCEPT, sides, by)


def mark(now: Objection, sides: Sides, by: int | None) -> Objection:
    """Return the objection with the data marked as in doubt. Errors: Forbidden, WrongState."""
    return _step(now, Step.MARK, sides, by)


def verify(now: Objection, sides: Sides, by: int | None, *, founded: bool, finding: str) -> Objection:
    """Return the objection with what the provider found. Errors: Forbidden, WrongState, Invalid (no finding)."""
    return replace(_step(now, Step.VERIFY, sides, by), founded=founded, finding=_said("finding", finding))


def correct(now: Objection, sides: Sides, by: int | None, result: str) -> Objection:
    """Return the founded objection with the correction that was published. Errors: also Conflict (not founded)."""
    after = _step(now, Step.CORRECT, sides, by)
    if not now.founded:
        raise Conflict(reason=Text("it was found to be unfounded: close it", "核实结果为异议不成立，请直接办结"))
    return replace(after, result=_said("result", result))


def close(now: Objection, sides: Sides, by: int | None) -> Objection:
    """Return the objection closed by either side: a founded one after its correction only.

    Errors: Forbidden, WrongState, Conflict (founded, and not corrected).
    """
    after = _step(now, Step.CLOSE, sides, by)
    if now.state is State.VERIFIED and now.founded:
        raise Conflict(reason=Text("it is founded: correct the data first", "异议成立，须先更正数据"))
    return after


def archive(now: Objection, sides: Sides, by: int | None) -> Objection:
    """Return the closed objection archived by the provider. Errors: Forbidden, WrongState."""
    return _step(now, Step.ARCHIVE, sides, by)


def _step(now: Objection, step: Step, sides: Sides, by: int | None) -> Objection:
    allowed = {sides.provider, sides.raiser} if step is Step.CLOSE else {sides.provider}
    if by is None or by not in allowed:
        raise Forbidden(reason=Text("the provider of the data does this", "仅数据提供方可执行"))
    needed, after = LEADS[step]
    if now.state not in needed:
        raise WrongState(thing=Text("the objection", "异议"), state=now.state.value, needed=", ".join(sorted(needed)))
    return replace(now, state=after)


def _said(field: str, words: str) -> str:
    if not words.strip():
        raise Invalid(field=field, reason=Text("has to be said", "必须填写"))
    return words.strip()
