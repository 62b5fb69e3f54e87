"""Runs inside the sandbox: what each of several programs returns for each of several calls.

It is started as a script by its path and uses nothing of Milepost. Each program has a process of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

_CALL_SECONDS = 1
_PROGRAM_SECONDS = 6.0
_LONGEST = 2_000
"""Characters of what a call returned."""
_DEPTH = 20
_MEMORY = 1_000_000_000
_DUMPABLE = 4


def main(plan: str) -> int:
    """Write, for each program, a list with what each call came to: its value, or ``raises`` and the error's name; null
    where that can't be told, or it took too long."""
    out = int(os.environ.pop("MILEPOST_REPORT_FD"))
    # What runs in the children must reach neither the report nor this process's memory or files.
    ctypes.CDLL(None).prctl(_DUMPABLE, 0, 0, 0, 0)
    given = json.loads(Path(plan).read_text(encoding="utf-8"))
    results = [_in_a_process(program, given["calls"], out) for program in given["programs"]]
    with os.fdopen(out, "w") as stream:
        json.dump(results, stream)
    return 0


def _in_a_process(program: str, calls: list[str], out: int) -> list[str | None]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        os.close(reading)
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        with contextlib.suppress(BaseException), os.fdopen(writing, "w") as stream:
            _evaluate(program, calls, stream)
        os._exit(0)
    os.close(writing)
    found: list[str | None] = []
    os.set_blocking(reading, False)
    end, text = time.monotonic() + _PROGRAM_SECONDS, b""
    while time.monotonic() < end:
        try:
            more = os.read(reading, 65_536)
        except BlockingIOError:
            time.sleep(0.005)
            continue
        if not more or len(text) > 2 * _LONGEST * len(calls):
            break
        text += more
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.close(reading)
    os.waitpid(child, 0)
    for line in text.split(b"\n")[: len(calls)]:
        try:
            value = json.loads(line)
        except ValueError:
            break
        found.append(value if isinstance(value, str) else None)
    return found + [None] * (len(calls) - len(found))


def _evaluate(program: str, calls: list[str], stream: Any) -> None:
    """Write a line of JSON for each call; what the program prints is thrown away."""
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    space: dict[str, Any] = {"__name__": "program"}
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(3)
    exec(compile(program, "program.py", "exec"), space)  # noqa: S102  (this is the sandbox)
    for call in calls:
        signal.alarm(_CALL_SECONDS)
        try:
            shown = _result(call, dict(space))
        except BaseException:
            shown = None
        signal.alarm(0)
        stream.write(json.dumps(shown) + "\n")
        stream.flush()


def _result(call: str, space: dict[str, Any]) -> str | None:
    """Return what a call came to; None where that can't be told: objects that show no more than where they are."""
    try:
        value = eval(call, space)  # noqa: S307  (as above)
    except _TooLongError:
        return None
    except Exception as error:
        return f"raises {type(error).__name__[:80]}"
    shown = _shown(value, _DEPTH)
    return None if " at 0x" in shown else shown[:_LONGEST]


class _TooLongError(Exception):
    pass


def _too_long(*_: object) -> None:
    raise _TooLongError


def _shown(value: object, depth: int) -> str:
    """Return ``value`` as text; equal values have equal texts, and numbers are compared to 9 digits."""
    if depth == 0:
        raise ValueError("nested too deep")
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}[{','.join(_shown(item, depth - 1) for item in value)}]"
    if isinstance(value, set | frozenset):
        return f"set[{','.join(sorted(_shown(item, depth - 1) for item in value))}]"
    if isinstance(value, dict):
        pairs = (f"{_shown(key, depth - 1)}:{_shown(item, depth - 1)}" for key, item in value.items())
        return f"dict[{','.join(sorted(pairs))}]"
    return repr(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
