"""Running one child process within bounds: wall clock on the whole group, capped output, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from schemas.evidence import Execution

__all__ = ["bounded"]

REPORT_BYTES = 16_000_000
GRACE = 5.0
"""Seconds that a supervisor has to kill what it supervises, and then its pipes to come to their end."""


async def bounded(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    seconds: float,
    output_bytes: int,
    report_fd: int | None = None,
    pass_fds: Sequence[int] = (),
    watch: Callable[[int], Awaitable[str]] | None = None,
) -> tuple[Execution, bytes]:
    """Run ``argv``, a supervisor, in a process group of its own and return what it did and its report. It is ended by
    SIGTERM, upon which it kills all that came of it, wherever that has gone.

    ``report_fd`` is the reading end of a pipe whose writing end is in ``pass_fds``; the writing end is closed
    here once the child has it. ``seconds`` bounds wall-clock time, ``output_bytes`` each of the two streams.
    ``watch``, given the process's id, returns when another limit is passed, and says which.
    """
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env),
        start_new_session=True,
        pass_fds=pass_fds,
    )
    for fd in pass_fds:
        os.close(fd)
    assert process.stdout is not None  # noqa: S101  (PIPE was asked for)
    assert process.stderr is not None  # noqa: S101
    out, err, report = bytearray(), bytearray(), bytearray()
    flooded = asyncio.Event()
    readers = [_read(process.stdout, out, output_bytes, flooded), _read(process.stderr, err, output_bytes, flooded)]
    if report_fd is not None:
        readers.append(_read_pipe(report_fd, report, flooded))
    # What goes over the cap is read and thrown away: a pipe that nobody reads would keep the process from ending.
    work = asyncio.ensure_future(asyncio.gather(*readers, process.wait()))
    alarm = asyncio.ensure_future(flooded.wait())
    watcher = asyncio.ensure_future(watch(process.pid) if watch else asyncio.Event().wait())
    ended: str | None = None
    try:
        await asyncio.wait((work, alarm, watcher), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if flooded.is_set():
            ended = f"more than {output_bytes:,} bytes of output"
        elif watcher.done():
            ended = str(watcher.result())
        elif not work.done():
            ended = f"time limit of {seconds:g} s"
    finally:
        alarm.cancel()
        watcher.cancel()
        await asyncio.shield(_end(process, work))
    execution = Execution(
        exit_code=None if ended else process.returncode,
        stdout=out.decode("utf-8", "replace"),
        stderr=err.decode("utf-8", "replace"),
        duration_ms=round((time.monotonic() - started) * 1000),
        ended=ended,
        pid=process.pid,
    )
    return execution, bytes(report)


async def _end(process: asyncio.subprocess.Process, work: asyncio.Future[Any]) -> None:
    """End ``process`` and its group, and its readers, even where somebody else still holds the other end."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait({work}, timeout=GRACE)
    if not work.done():
        work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _read(stream: asyncio.StreamReader, into: bytearray, most: int, flooded: asyncio.Event) -> None:
    while chunk := await stream.read(65536):
        if len(chunk) > most - len(into):
            flooded.set()
        into += chunk[: most - len(into)]


async def _read_pipe(fd: int, into: bytearray, flooded: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with os.fdopen(fd, "rb", 0) as pipe:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            await _read(reader, into, REPORT_BYTES, flooded)
        finally:
            transport.close()
