"""Text of models and programs, made harmless before a person sees it."""

from __future__ import annotations

import re

__all__ = ["harmless"]

_STEERING = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]"  # ANSI control sequences, as a whole
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # the other control characters but tab and line feed
    r"|[\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # what turns the direction of writing (Unicode, annex 9)
)


def harmless(text: str) -> str:
    """Return ``text`` without what steers a terminal or makes it read otherwise than it is."""
    return _STEERING.sub(" ", text.replace("\r\n", "\n"))
