"""What the reports say of rates: an interval for one, a paired test for two."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["chance_text", "gain", "mcnemar", "sign", "wilson"]

Z = 1.959964
"""Two-sided 95 %."""


def wilson(passed: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (Wilson 1927, J. Am. Stat. Assoc. 22, 209)."""
    if not total:
        return 0.0, 1.0
    rate, square = passed / total, Z * Z / total
    centre = (rate + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(rate * (1 - rate) / total + square / (4 * total))
    return max(0.0, centre - half), min(1.0, centre + half)  # which rounding may pass by a hair


def mcnemar(first: Mapping[str, bool], second: Mapping[str, bool]) -> tuple[int, int, float]:
    """Return how many tasks only the first and only the second solved, of those that both have tried, and how likely so
    uneven a split is by chance: McNemar's test in its exact form, two-sided (McNemar 1947, Psychometrika 12, 153)."""
    both = set(first) & set(second)
    only_first = sum(first[task] and not second[task] for task in both)
    only_second = sum(second[task] and not first[task] for task in both)
    return only_first, only_second, _uneven(only_first, only_second)


def gain(only_first: int, only_second: int, tasks: int) -> tuple[float, float]:
    """Return the 95 % interval of how much larger the second rate of so many ``tasks`` is than the first, where so many
    were solved by one alone (Bonett and Price 2012, J. Educ. Behav. Stat. 37, 479: Wald's, with one more of each)."""
    more, fewer = (only_second + 1) / (tasks + 2), (only_first + 1) / (tasks + 2)
    half = Z * math.sqrt((more + fewer - (more - fewer) ** 2) / (tasks + 2))
    return max(-1.0, more - fewer - half), min(1.0, more - fewer + half)


def sign(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[int, int, float]:
    """Return for how many tasks the first and the second measure is the larger one, of those that both have, and how
    likely so uneven a split is by chance: the sign test, exact, two-sided (Dixon and Mood 1946, J. Am. Stat. Assoc.
    41, 557)."""
    both = set(first) & set(second)
    more = sum(first[task] > second[task] for task in both)
    fewer = sum(first[task] < second[task] for task in both)
    return more, fewer, _uneven(more, fewer)


def chance_text(chance: float, equals: str = "") -> str:
    """Return ``chance``, with ``equals`` before it, for a reader who takes 0.000 for never."""
    return f"{equals}{chance:.3f}" if chance >= 0.0005 else "< 0.001"


def _uneven(one: int, other: int) -> float:
    total = one + other
    tail: float = sum(math.comb(total, k) for k in range(min(one, other) + 1)) / 2**total
    return min(1.0, 2 * tail)
