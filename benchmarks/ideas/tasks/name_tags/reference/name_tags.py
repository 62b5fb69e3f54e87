"""Full names for name tags and sorted lists."""

from __future__ import annotations


def _words(full_name: str) -> list[str]:
    words = full_name.split()
    if not words:
        raise ValueError("a name needs at least one word")
    return words


def _initial(word: str) -> str:
    return f"{word[0].upper()}."


def initials(full_name: str) -> str:
    """Return the initials with full stops."""
    return "".join(map(_initial, _words(full_name)))


def sort_name(full_name: str) -> str:
    """Return the last word first."""
    *others, last = _words(full_name)
    return f"{last}, {' '.join(others)}" if others else last


def short_name(full_name: str, limit: int) -> str:
    """Return the name, shortened where it is longer than ``limit``."""
    words = _words(full_name)
    name = " ".join(words)
    return name if len(name) <= limit or len(words) == 1 else f"{_initial(words[0])} {words[-1]}"
