"""Labels of shelves."""

from __future__ import annotations

import re


def make_label(section: str, number: int) -> str:
    """Return the label of a shelf."""
    if not section.isalpha() or not 1 <= number <= 999:
        raise ValueError("a label is made of letters and a number from 1 to 999")
    return f"{section.upper()}-{number:03}"


def read_label(label: str) -> tuple[str, int]:
    """Return section and number of a label."""
    match = re.fullmatch(r"([A-Z]+)-([0-9]{3})", label)
    if match is None:
        raise ValueError(f"{label!r} is no label")
    return match[1], int(match[2])


def next_label(label: str) -> str:
    """Return the label of the next shelf."""
    section, number = read_label(label)
    return make_label(section, number + 1)
