"""What backends have in common when a request can't be answered."""

from __future__ import annotations

import re

from schemas.call import ModelRequest, Usage, estimated_tokens

__all__ = ["estimated_usage", "says_too_long"]

_TOO_LONG = re.compile(
    r"prompt is too long|exceeds?[^.]{0,40}context|maximum context length|context_length_exceeded|"
    r"(longer|greater) than the (maximum model|context) length|input tokens? exceed",
    re.I,
)


def says_too_long(status: int, body: str) -> bool:
    """Whether a server refuses a request since it does not fit into the model's context, and not, say, since a setting
    or a schema is too large for it."""
    return status == 413 or (status in (400, 422) and bool(_TOO_LONG.search(body)))


def estimated_usage(request: ModelRequest, text: str) -> Usage:
    """Return what a reply took whose backend does not say so, rather too much than too little: nothing is for free."""
    asked = [request.system, *(message.content for message in request.messages)]
    return Usage(input_tokens=sum(map(estimated_tokens, asked)), output_tokens=estimated_tokens(text))
