"""Runs inside the sandbox: starts the program and sees whether it ends by itself or serves on a port.

It is started as a script by its path and uses nothing of Milepost. What it reports is checked again outside.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

_LISTEN = "0A"
"""State of a listening socket in ``/proc/net/tcp`` (Linux, ``include/net/tcp_states.h``)."""
_PAUSE = 0.1
_PATIENCE = 5.0


def main(command: list[str]) -> int:
    """Run ``command`` until it ends or listens; return its exit code (128 + signal), 0 where it serves."""
    out = int(os.environ.pop("MILEPOST_REPORT_FD"))
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while program.poll() is None:
        port = _listening()
        if port is not None:
            answer = _ask(port)
            if program.poll() is None:
                os.write(out, json.dumps({"port": port, "answer": answer}).encode())
                program.kill()
                return 0
        time.sleep(_PAUSE)
    code = program.wait()
    return code if code >= 0 else 128 - code


def _listening() -> int | None:
    """Return the lowest port that anything in this network namespace listens on: that is the program, or its child."""
    ports = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN:
                    ports.append(int(fields[1].rpartition(":")[2], 16))
    return min(ports, default=None)


def _ask(port: int) -> int | None:
    """Return the status code of ``GET /``; None where the server does not speak HTTP."""
    for host in ("127.0.0.1", "::1"):
        connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
