"""The audit log ``events.jsonl``: one JSON line per event, each naming the digest of the line before it.

Names follow OpenTelemetry's semantic conventions for generative AI where one exists (``gen_ai.*``).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from pydantic import ValidationError
from structlog.typing import EventDict

from orchestrator.journal.lines import event_in, json_in, what_is_wrong
from schemas.call import Usage

__all__ = [
    "GENESIS",
    "TOKENS",
    "EventLog",
    "Lost",
    "damaged",
    "lost_in",
    "read_events",
    "seconds_of_sittings",
    "verify",
]

TOKENS = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
}
"""Field of `schemas.call.Usage` → its name in a line."""

GENESIS = "0" * 64
"""What the first line names as the one before it."""


class _Chain:
    """A structlog processor that adds the digest of the line before."""

    def __init__(self, previous: str) -> None:
        self.previous = previous

    def __call__(self, logger: object, method: str, event: EventDict) -> EventDict:
        event["previous"] = self.previous
        return event


class _Sink:
    """A structlog logger that appends whole lines, on disk before it returns."""

    def __init__(self, path: Path, chain: _Chain) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("ab", buffering=0)
        self._chain = chain

    def msg(self, message: str) -> None:
        line, before = message.encode() + b"\n", os.fstat(self._stream.fileno()).st_size
        try:
            if self._stream.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._stream.name)
            os.fsync(self._stream.fileno())
        except OSError:
            self._stream.truncate(before)  # half a line would break the chain of what comes after
            raise
        self._chain.previous = _digest(message.encode())

    info = warning = error = msg

    def close(self) -> None:
        self._stream.close()


class EventLog:
    """Appends to the log of one run; run, milestone and attempt come from structlog's context variables."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _drop_torn_line(path)
        lines = list(_lines(path))
        self._chain = chain = _Chain(_digest(lines[-1]) if lines else GENESIS)
        self._sink = _Sink(path, chain)
        events = [event for event in map(event_in, lines) if event]
        calls = [e for e in events if e["event"] == "agent_call" and e.get("call")]
        self.calls = {e["call"] for e in calls}
        """Digests of the calls that the log holds already."""
        self.reused = {e["call"] for e in calls if e.get("reused")}
        """Those of them that another run has paid for."""
        self._earlier = Counter(_decision(e) for e in events if e["event"] not in _ANEW)
        self.lost = [lost for e in events if (lost := lost_in(e))]
        """What calls took of which there is no record."""
        self._log: Any = structlog.wrap_logger(
            self._sink,
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _first_keys,
                chain,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def write(self, event: str, *, level: str = "info", **values: object) -> None:
        """Append one line; none for a decision that an earlier sitting has logged, as long as this one only takes the
        same way again: until its first new reply."""
        if event == "agent_call" and values.get("call"):  # a call that came to nothing is made again by each replay
            self._earlier.clear()
        elif event not in _ANEW:
            decision = _decision({**structlog.contextvars.get_contextvars(), "event": event, **values})
            if self._earlier[decision]:
                self._earlier[decision] -= 1
                return
        getattr(self._log, level)(event, **values)

    @property
    def end(self) -> str:
        """Digest of the last line."""
        return self._chain.previous

    def close(self) -> None:
        """Close the file."""
        self._sink.close()


_ANEW = ("run_started", "agent_call", "run_finished")
"""Events of a sitting itself, and calls, which `orchestrator.journal.journal` logs once."""


def _decision(event: Mapping[str, Any]) -> str:
    """Return what an event says, without when."""
    said = {key: value for key, value in event.items() if key not in ("timestamp", "level", "previous")}
    return json.dumps(said, sort_keys=True, default=repr)


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a log; lines that are none of Milepost's are left out (`damaged` names them), as is a torn
    last one (the process was killed while writing it)."""
    for line in _lines(path):
        event = event_in(line)
        if event is not None:
            yield event


def damaged(path: Path) -> list[str]:
    """Return one message per line that is none of Milepost's. A torn last one is no damage: the next sitting drops it.

    Raises:
        OSError: the log can't be read.
    """
    return [
        f"{path}:{number}: is no line of Milepost's ({wrong}); see `milepost logs {path.parent.name} --verify`"
        for number, line in _numbered(path)
        if line.endswith(b"\n") and (wrong := what_is_wrong(line))
    ]


class Lost(NamedTuple):
    """What a call took that broke off, or could not be kept."""

    model: str
    usage: Usage
    cost_usd: float | None


def lost_in(event: Mapping[str, Any]) -> Lost | None:
    """Return what a call took that broke off, or could not be kept; None for any other event."""
    if event.get("event") != "agent_call" or event.get("call"):
        return None
    try:
        usage = Usage(**{field: event.get(name, 0) for field, name in TOKENS.items()})
        cost = event.get("cost_usd")
        known = None if cost is None else float(cost)
        return Lost(str(event.get("model")), usage, known) if usage.total else None
    except (ValidationError, TypeError, ValueError, OverflowError):
        return None  # not one of ours; `verify` says so


def seconds_of_sittings(path: Path) -> float:
    """Return how long the run was worked on, in seconds, those sittings included that were killed.

    A sitting that came to its end says itself how long the run had taken by then, on a clock that nobody sets and that
    stands still while the machine sleeps. Of one that was killed there are only the times of its lines.
    """
    total, began, last = 0.0, None, None
    for event in filter(None, map(json_in, _lines(path))):
        try:
            at = datetime.fromisoformat(event["timestamp"])
        except (KeyError, TypeError, ValueError):
            continue  # not one of ours; `verify` says so
        said = event.get("seconds")
        if event.get("event") == "run_started":
            total += _between(began, last)
            began = at
        elif event.get("event") == "run_finished" and isinstance(said, int | float) and said >= 0:
            total, began = float(said), None
        last = at
    return total + _between(began, last)


def _between(began: datetime | None, last: datetime | None) -> float:
    """Return the seconds of one sitting; 0 where the clock was set back meanwhile."""
    return max(0.0, (last - began).total_seconds()) if began and last else 0.0


def verify(path: Path, end: str | None = None) -> list[str]:
    """Return what is wrong with the chain of a log: nothing, or one message per broken link. ``end`` is the digest of a
    line that must be there: the last one when the run came to an end."""
    problems, previous, found = [], GENESIS, end is None
    try:
        lines = list(_numbered(path))
    except OSError as error:
        return [f"{path}: can't be read: {error.strerror}"]
    if not path.exists():
        problems.append(f"{path}: is missing")
    for number, line in lines:
        event = json_in(line)
        if not line.endswith(b"\n"):
            problems.append(f"{path}: its last line is cut off: the process was killed, or the file was shortened")
        elif wrong := what_is_wrong(line):
            problems.append(f"{path}:{number}: is no line of Milepost's ({wrong})")
        if event is not None and event.get("previous") != previous:
            problems.append(f"{path}:{number}: does not follow the line before it; one of them was changed or removed")
        previous = _digest(line.rstrip(b"\n"))
        found |= previous == end
    if not found:
        problems.append(
            f"{path}: lines are missing at its end, or were changed: the last one that run.json names is gone"
        )
    return problems


def _lines(path: Path) -> Iterator[bytes]:
    for _, line in _numbered(path):
        yield line.rstrip(b"\n")


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not empty, line feeds included, with their numbers as an editor shows them."""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line
    except FileNotFoundError:
        return


def _drop_torn_line(path: Path) -> None:
    """Cut a last line that has no line feed: it was being written when the process was killed."""
    if _is_torn(path):
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)


def _is_torn(path: Path) -> bool:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    return bool(data) and not data.endswith(b"\n")


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _first_keys(logger: object, method: str, event: EventDict) -> EventDict:
    """Put first what a reader looks for first."""
    first = ("timestamp", "level", "event", "run", "milestone", "attempt", "agent", "outcome")
    return {**{k: event[k] for k in first if k in event}, **{k: v for k, v in event.items() if k not in first}}
