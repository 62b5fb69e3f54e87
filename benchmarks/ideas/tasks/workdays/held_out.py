"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

from datetime import date


def test_a_sunday_is_no_workday_and_a_friday_is_one():
    from workdays import is_workday

    assert is_workday(date(2026, 3, 6)) is True
    assert is_workday(date(2026, 3, 8)) is False


def test_adding_leaves_out_holidays():
    from workdays import add_workdays

    assert add_workdays(date(2026, 3, 6), 2, {date(2026, 3, 9)}) == date(2026, 3, 11)


def test_adding_many_workdays_crosses_weekends_and_months():
    from workdays import add_workdays

    assert add_workdays(date(2026, 3, 25), 10) == date(2026, 4, 8)


def test_a_negative_count_goes_back():
    from workdays import add_workdays

    assert add_workdays(date(2026, 3, 9), -1) == date(2026, 3, 6)
    assert add_workdays(date(2026, 3, 9), -2, [date(2026, 3, 6)]) == date(2026, 3, 4)


def test_adding_nothing_gives_the_day_itself_even_on_a_weekend():
    from workdays import add_workdays

    assert add_workdays(date(2026, 3, 7), 0) == date(2026, 3, 7)


def test_the_first_workday_after_a_sunday_is_monday():
    from workdays import add_workdays

    assert add_workdays(date(2026, 3, 8), 1) == date(2026, 3, 9)


def test_both_ends_count():
    from workdays import count_workdays

    assert count_workdays(date(2026, 3, 4), date(2026, 3, 4)) == 1
    assert count_workdays(date(2026, 3, 6), date(2026, 3, 9)) == 2


def test_nothing_is_counted_backwards():
    from workdays import count_workdays

    assert count_workdays(date(2026, 3, 9), date(2026, 3, 6)) == 0


def test_a_holiday_on_a_weekend_takes_nothing_away():
    from workdays import count_workdays

    holidays = [date(2026, 3, 7), date(2026, 3, 5)]
    assert count_workdays(date(2026, 3, 2), date(2026, 3, 8), holidays) == 4


def test_the_last_workday_of_december_and_of_a_leap_february():
    from workdays import last_workday_of_month

    assert last_workday_of_month(2026, 12) == date(2026, 12, 31)
    assert last_workday_of_month(2028, 2) == date(2028, 2, 29)


def test_the_last_workday_is_no_holiday():
    from workdays import last_workday_of_month

    assert last_workday_of_month(2026, 12, [date(2026, 12, 31), date(2026, 12, 30)]) == date(2026, 12, 29)
