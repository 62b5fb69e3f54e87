"""Running one child process within bounds: wall clock on the whole group, capped output, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence

from schemas.evidence import Execution

__all__ = ["bounded"]

REPORT_BYTES = 16_000_000


class _Flood(Exception):
    """Output went over its cap."""


async def bounded(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    seconds: float,
    output_bytes: int,
    report_fd: int | None = None,
    pass_fds: Sequence[int] = (),
) -> tuple[Execution, bytes]:
    """Run ``argv`` in a process group of its own and return what it did and its report.

    ``report_fd`` is the reading end of a pipe whose writing end is in ``pass_fds``; the writing end is closed
    here once the child has it. ``seconds`` bounds wall-clock time, ``output_bytes`` each of the two streams.
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
    readers = [_read(process.stdout, out, output_bytes), _read(process.stderr, err, output_bytes)]
    if report_fd is not None:
        readers.append(_read_pipe(report_fd, report))
    ended: str | None = None
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*readers)
            await process.wait()
    except TimeoutError:
        ended = f"time limit of {seconds:g} s"
    except _Flood:
        ended = f"more than {output_bytes:,} bytes of output"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    execution = Execution(
        exit_code=None if ended else process.returncode,
        stdout=out.decode("utf-8", "replace"),
        stderr=err.decode("utf-8", "replace"),
        duration_ms=round((time.monotonic() - started) * 1000),
        ended=ended,
    )
    return execution, bytes(report)


async def _read(stream: asyncio.StreamReader, into: bytearray, most: int) -> None:
    while chunk := await stream.read(65536):
        into += chunk[: most - len(into)]
        if len(into) >= most:
            raise _Flood


async def _read_pipe(fd: int, into: bytearray) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with os.fdopen(fd, "rb", 0) as pipe:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            await _read(reader, into, REPORT_BYTES)
        finally:
            transport.close()
