"""Bills split without losing a cent."""

from __future__ import annotations

import re
from collections.abc import Sequence


def split_evenly(cents: int, people: int) -> list[int]:
    """Return one share per person."""
    if people < 1:
        raise ValueError("there must be at least one person")
    return split_by_weight(cents, [1] * people)


def split_by_weight(cents: int, weights: Sequence[int]) -> list[int]:
    """Return shares that follow ``weights``; the first persons pay what is left over."""
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        raise ValueError("weights must not be negative, nor add up to zero")
    shares = [cents * weight // total for weight in weights]
    left = cents - sum(shares)
    return [share + (n < left) for n, share in enumerate(shares)]


def format_cents(cents: int) -> str:
    """Return the amount with two decimals."""
    whole, part = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{part:02}"


def parse_amount(text: str) -> int:
    """Return the cents that ``text`` stands for."""
    match = re.fullmatch(r"(-?)(\d+)(?:\.(\d{1,2}))?", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no amount")
    cents = 100 * int(match[2]) + int((match[3] or "").ljust(2, "0"))
    return -cents if match[1] else cents
