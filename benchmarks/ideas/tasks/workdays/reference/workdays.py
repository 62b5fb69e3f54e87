"""Counting with workdays."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection
from datetime import date, timedelta

_DAY = timedelta(days=1)


def is_workday(day: date, holidays: Collection[date] = ()) -> bool:
    """Return whether ``day`` is a Monday to Friday and no holiday."""
    return day.weekday() < 5 and day not in holidays


def add_workdays(day: date, count: int, holidays: Collection[date] = ()) -> date:
    """Return the date that is ``count`` workdays after ``day``."""
    step = _DAY if count > 0 else -_DAY
    left = abs(count)
    while left:
        day += step
        left -= is_workday(day, holidays)
    return day


def count_workdays(first: date, last: date, holidays: Collection[date] = ()) -> int:
    """Return how many workdays there are, both ends included."""
    return sum(is_workday(first + n * _DAY, holidays) for n in range((last - first).days + 1))


def last_workday_of_month(year: int, month: int, holidays: Collection[date] = ()) -> date:
    """Return the last workday of a month."""
    day = date(year, month, monthrange(year, month)[1])
    return day if is_workday(day, holidays) else add_workdays(day, -1, holidays)
