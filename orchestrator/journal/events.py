"""The audit log ``events.jsonl``: one JSON line per event, each naming the digest of the line before it.

Names follow OpenTelemetry's semantic conventions for generative AI where one exists (``gen_ai.*``).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict

from schemas.errors import InputError

__all__ = ["GENESIS", "EventLog", "read_events", "seconds_of_sittings", "verify"]

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
        self._chain.previous = _digest(message)

    info = warning = error = msg

    def close(self) -> None:
        self._stream.close()


class EventLog:
    """Appends to the log of one run; run, milestone and attempt come from structlog's context variables."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _drop_torn_line(path)
        lines = list(_lines(path))
        chain = _Chain(_digest(lines[-1]) if lines else GENESIS)
        self._sink = _Sink(path, chain)
        calls = [e for e in map(_parsed, lines) if e and e.get("event") == "agent_call" and e.get("call")]
        self.calls = {e["call"] for e in calls}
        """Digests of the calls that the log holds already."""
        self.reused = {e["call"] for e in calls if e.get("reused")}
        """Those of them that another run has paid for."""
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
        """Append one line."""
        getattr(self._log, level)(event, **values)

    def close(self) -> None:
        """Close the file."""
        self._sink.close()


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a log; a torn last line (the process was killed while writing it) is left out."""
    for line in _lines(path):
        event = _parsed(line)
        if event is not None:
            yield event


def seconds_of_sittings(path: Path) -> float:
    """Return how long the run was worked on, in seconds, those sittings included that were killed."""
    total, began, last = 0.0, None, None
    for event in read_events(path):
        try:
            at = datetime.fromisoformat(event["timestamp"])
        except (KeyError, TypeError, ValueError):
            continue  # not one of ours; `verify` says so
        if event.get("event") == "run_started":
            total += _between(began, last)
            began = at
        last = at
    return total + _between(began, last)


def _between(began: datetime | None, last: datetime | None) -> float:
    """Return the seconds of one sitting; 0 where the clock was set back meanwhile."""
    return max(0.0, (last - began).total_seconds()) if began and last else 0.0


def verify(path: Path) -> list[str]:
    """Return what is wrong with the chain of a log: nothing, or one message per broken link."""
    problems, previous = [], GENESIS
    if _is_torn(path):
        problems.append(f"{path}: its last line is cut off: the process was killed, or the file was shortened")
    for number, line in enumerate(_lines(path), 1):
        event = _parsed(line)
        if event is None:
            problems.append(f"{path}:{number}: is not a JSON object")
        elif event.get("previous") != previous:
            problems.append(f"{path}:{number}: does not follow the line before it; one of them was changed or removed")
        previous = _digest(line)
    return problems


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as stream:
            yield from (line.rstrip("\n") for line in stream if line.strip())
    except FileNotFoundError:
        return
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text: {error}") from None


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


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _first_keys(logger: object, method: str, event: EventDict) -> EventDict:
    """Put first what a reader looks for first."""
    first = ("timestamp", "level", "event", "run", "milestone", "attempt", "agent", "outcome")
    return {**{k: event[k] for k in first if k in event}, **{k: v for k, v in event.items() if k not in first}}
