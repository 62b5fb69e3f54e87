"""What backends have in common when a request can't be answered."""

from __future__ import annotations

import re

__all__ = ["says_too_long"]

_TOO_LONG = re.compile(
    r"prompt is too long|exceeds?[^.]{0,40}context|maximum context length|context_length_exceeded|"
    r"(longer|greater) than the (maximum model|context) length|input tokens? exceed",
    re.I,
)


def says_too_long(status: int, body: str) -> bool:
    """Whether a server refuses a request since it does not fit into the model's context, and not, say, since a setting
    or a schema is too large for it."""
    return status == 413 or (status in (400, 422) and bool(_TOO_LONG.search(body)))
