"""What a line of the audit log must be, for those who read it: files can be damaged, or changed by hand."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

__all__ = ["event_in", "json_in", "what_is_wrong"]


def _moment(text: str) -> str:
    """Refuse what is no time of a known time zone: two times of different kinds can't be compared."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("has no time zone")
    return text


class _Line(BaseModel):
    """What every line holds; it may hold more."""

    model_config = ConfigDict(strict=True, extra="ignore")

    event: str
    timestamp: Annotated[str, AfterValidator(_moment)]
    milestone: str | None = None
    attempt: int | None = None


Count = Annotated[int, Field(ge=0)]


class _Call(_Line):
    """A call of an agent, as far as somebody reads it."""

    agent: str
    outcome: str
    output: str
    duration_ms: Count
    call: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """A file is named like it."""
    cost_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    input_tokens: Count = Field(default=0, alias="gen_ai.usage.input_tokens")
    output_tokens: Count = Field(alias="gen_ai.usage.output_tokens")
    cache_read_tokens: Count = Field(default=0, alias="gen_ai.usage.cache_read.input_tokens")
    cache_write_tokens: Count = Field(default=0, alias="gen_ai.usage.cache_creation.input_tokens")


class _Route(_Line):
    """A decision of the router."""

    next_agent: str
    source: str
    reason: str
    message: str


_KINDS: dict[object, type[_Line]] = {"agent_call": _Call, "route": _Route}


def json_in(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line; None where it is none."""
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def event_in(line: bytes) -> dict[str, Any] | None:
    """Return the event of a line; None where it is no line of Milepost's."""
    return json_in(line) if what_is_wrong(line) is None else None


def what_is_wrong(line: bytes) -> str | None:
    """Say in words why a line is none of Milepost's; None where it is one."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8 text, byte {error.start + 1}"
    event = json_in(line)
    if event is None:
        return "not a JSON object"
    kind = event.get("event")
    try:
        (_KINDS.get(kind, _Line) if isinstance(kind, str) else _Line).model_validate(event)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return None
