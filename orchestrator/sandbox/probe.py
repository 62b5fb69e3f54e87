"""Trying a sandbox out before anything is entrusted to it: small attacks that must all fail."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.sandbox.port import Command, Sandbox
from orchestrator.scratch import scratch
from schemas.errors import Leak, Unavailable

__all__ = ["probe"]

PROBER = Path(__file__).with_name("prober.py").resolve()
_WORD = "MILEPOST_PROBE_WORD"


async def probe(sandbox: Sandbox, environment: Path, *, confined: bool = True) -> None:
    """Attack from inside ``sandbox``, with the interpreter of ``environment``.

    A sandbox that is not ``confined`` (a disposable container) may let everything through but a secret.

    Raises:
        Leak: an attack gets through; the message names which.
        Unavailable: it can't be made.
    """
    word = secrets.token_hex(16)
    os.environ[_WORD] = word
    try:
        with _bait(word) as (folder, port):
            given = {
                "port": port,
                "file": str(folder / "secret"),
                "folders": [sandbox.place(folder / "project"), str(folder / "outside"), str(environment), "/usr", "/"],
                "word": word,
                "pid": os.getpid(),
                "filtered": "(seccomp" in sandbox.name,
                "namespaces": sandbox.name.startswith("bubblewrap"),
                "socket": str(folder / "socket"),
            }
            command = Command(
                argv=("python", "-I", str(PROBER), json.dumps(given)),
                project=folder / "project",
                environment=environment,
                readable=(PROBER,),
                seconds=30,
            )
            execution = (await sandbox.run(command)).execution
    finally:
        del os.environ[_WORD]
    *leaks, last = execution.stdout.splitlines() or [""]
    if last != "all tried":
        raise Unavailable(f"the sandbox {sandbox.name} does not work: {execution.stderr.strip()[-300:]}")
    if not confined:
        leaks = [leak for leak in leaks if "environment" in leak]
    if leaks:
        raise Leak(f"the sandbox {sandbox.name} leaks, so generated code is not run: {'; '.join(leaks)}")


@contextmanager
def _bait(word: str) -> Iterator[tuple[Path, int]]:
    """Make what must not be reached: a folder with a secret file and two that anybody may write to, and a server."""
    with (
        scratch() as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.bind(str(folder / "socket"))
        local.listen()
        (folder / "socket").chmod(0o777)
        for part in ("project", "outside"):
            (folder / part).mkdir()
            (folder / part).chmod(0o777)
        (folder / "secret").write_text(word)
        yield folder, server.getsockname()[1]
