"""The evaluation's decisions, on cases counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.catalogue.domain import Freshness
from registry.errors import Conflict, Invalid, WrongState
from registry.evaluation import domain
from registry.evaluation.domain import AppealState, Fact, Figure, Indicator, Period
from registry.workdays import CHINA, Workdays

EVEN = dict.fromkeys(Indicator, 1.0)


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [
        ("2026", date(2026, 1, 1), date(2027, 1, 1)),
        ("2026-H1", date(2026, 1, 1), date(2026, 7, 1)),
        ("2026-H2", date(2026, 7, 1), date(2027, 1, 1)),
        ("2026-Q1", date(2026, 1, 1), date(2026, 4, 1)),
        ("2026-Q4", date(2026, 10, 1), date(2027, 1, 1)),
        ("2028-02", date(2028, 2, 1), date(2028, 3, 1)),
        ("2026-12", date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_periods_are_named(name: str, since: date, until: date) -> None:
    assert Period.parse(name) == Period(name, since, until)


@pytest.mark.parametrize("name", ["", "26", "2026-", "2026-00", "2026-13", "2026-Q0", "2026-Q5", "2026-H3", "２０２６"])
def test_what_is_no_period_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        Period.parse(name)


def test_a_figure_is_the_sum_of_its_facts_and_of_nothing_there_is_none() -> None:
    facts = [Fact(1, "a", 1, 1), Fact(1, "b", 1, 0), Fact(2, "c", 10, 7.5)]
    assert domain.figures(facts) == {1: Figure(2, 1), 2: Figure(10, 7.5)}
    assert domain.figures([]) == {}
    assert Figure(0, 0).value is None


def test_what_does_not_apply_weighs_nothing() -> None:
    weights = {**EVEN, Indicator.COLLECTION: 30.0, Indicator.USE: 10.0}
    both = {Indicator.COLLECTION: Figure(4, 3), Indicator.USE: Figure(2, 1)}
    assert domain.score(both, weights) == 68.75  # (30 × 0.75 + 10 × 0.5) ÷ 40
    assert domain.score({Indicator.COLLECTION: Figure(4, 3)}, weights) == 75.0
    assert domain.score({**both, Indicator.QUALITY: Figure(0, 0)}, weights) == 68.75, "an empty denominator"
    assert domain.score({}, weights) is None, "a department without resources, requests or grants"
    assert domain.score(both, dict.fromkeys(Indicator, 0.0)) is None, "all is switched off"
    off = {**weights, Indicator.USE: 0.0}
    assert domain.score(both, off) == 75.0


def test_equals_share_a_rank_and_the_next_one_skips() -> None:
    table = domain.ranked({1: 80.0, 2: 95.5, 3: 80.0, 4: None, 5: 10.0, 6: None})
    assert table == [(2, 95.5, 1), (1, 80.0, 2), (3, 80.0, 2), (5, 10.0, 4), (4, None, None), (6, None, None)]
    assert domain.ranked({}) == []


@given(st.dictionaries(st.integers(1, 50), st.none() | st.floats(0, 100), max_size=30))
def test_a_rank_is_one_more_than_there_are_better_ones(scores: dict[int, float | None]) -> None:
    table = domain.ranked(scores)
    assert {department for department, _, _ in table} == set(scores)
    judged = [score for score in scores.values() if score is not None]
    for _, score, rank in table:
        assert rank == (None if score is None else 1 + sum(other > score for other in judged))


def test_collected_are_those_with_data_as_young_as_promised() -> None:
    assert {each for each in Freshness if domain.collected(each)} == {Freshness.FRESH, Freshness.UNBOUND}


def test_an_answer_over_the_spring_festival_has_its_working_days() -> None:
    """Asked on Thursday 12 February 2026; 14 and 28 February are worked, 15 to 23 are off: ten days end on 4 March."""
    asked = datetime(2026, 2, 12, 15, tzinfo=CHINA)
    due = Workdays().due(asked, 10)
    assert due == datetime(2026, 3, 5, tzinfo=CHINA), "the whole of 4 March counts"
    plain = asked + timedelta(days=14)
    assert domain.in_time(due, plain + timedelta(days=3), withdrawn=False) is True, "by the calendar it were late"
    assert domain.in_time(due, due, withdrawn=False) is True
    assert domain.in_time(due, due + timedelta(seconds=1), withdrawn=False) is False
    assert domain.in_time(due, None, withdrawn=False) is False
    assert domain.in_time(due, asked, withdrawn=True) is None, "taken back before: nobody had to answer"
    assert domain.in_time(due, due + timedelta(days=1), withdrawn=True) is False, "it was late before it was taken back"


def test_a_difference_has_its_working_days_over_the_festival() -> None:
    opened = datetime(2026, 2, 13, 9, tzinfo=CHINA)
    due = Workdays().due(opened, 5)  # 14, 24, 25, 26, 27 February
    assert due == datetime(2026, 2, 28, tzinfo=CHINA)
    now = datetime(2026, 4, 1, tzinfo=CHINA)
    assert domain.settled(datetime(2026, 2, 27, 18, tzinfo=CHINA), due, now)
    assert not domain.settled(datetime(2026, 2, 28, 1, tzinfo=CHINA), due, now)
    assert not domain.settled(None, due, now), "still open"
    assert domain.settled(None, due, datetime(2026, 2, 20, tzinfo=CHINA)), "there is time still"


def test_a_grant_is_judged_when_it_stood_for_long_enough() -> None:
    assert domain.used(3, 15, records=1) is True
    assert domain.used(15, 15, records=0) is False
    assert domain.used(14, 15, records=0) is None
    since, until = date(2026, 2, 1), date(2026, 3, 1)
    assert domain.days_between(since, until, date(2026, 1, 1), None) == 28
    assert domain.days_between(since, until, date(2026, 2, 20), date(2026, 2, 20)) == 1
    assert domain.days_between(since, until, date(2026, 2, 27), date(2026, 5, 1)) == 2
    assert domain.days_between(since, until, date(2026, 3, 1), None) == 0


def test_an_objection_is_judged_when_it_is_closed_or_late() -> None:
    assert domain.handled(closed=True, late=False) is True
    assert domain.handled(closed=True, late=True) is False
    assert domain.handled(closed=False, late=True) is False
    assert domain.handled(closed=False, late=False) is None


def test_an_appeal_is_against_what_is_final_and_in_time() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    domain.check_appeal(final=True, until=now, now=now)
    with pytest.raises(Conflict):
        domain.check_appeal(final=False, until=now, now=now)
    with pytest.raises(Conflict):
        domain.check_appeal(final=True, until=now, now=now + timedelta(seconds=1))


def test_an_appeal_is_answered_once_and_a_correction_has_its_figure() -> None:
    domain.answer_appeal(AppealState.OPEN, AppealState.UPHELD, None)
    domain.answer_appeal(AppealState.OPEN, AppealState.CORRECTED, Figure(2, 2))
    for outcome, figure in (
        (AppealState.UPHELD, Figure(2, 2)),
        (AppealState.CORRECTED, None),
        (AppealState.CORRECTED, Figure(2, 3)),
    ):
        with pytest.raises(Invalid):
            domain.answer_appeal(AppealState.OPEN, outcome, figure)
    with pytest.raises(WrongState):
        domain.answer_appeal(AppealState.UPHELD, AppealState.UPHELD, None)


def test_each_indicator_is_described_in_both_languages() -> None:
    for each in Indicator:
        told = domain.DESCRIBED[each]
        for text in (told.name, told.formula):
            assert text.en != text.zh
            assert text.format("zh", use_days=1, difference_days=2)
