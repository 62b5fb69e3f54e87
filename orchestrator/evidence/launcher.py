"""Runs inside the sandbox: starts the program and sees whether it ends by itself or serves on a port.

It is started as a script by its path and uses nothing of Milepost. What it reports is checked again outside.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

_LISTEN = "0A"
"""State of a listening socket in ``/proc/net/tcp`` (Linux, ``include/net/tcp_states.h``)."""
_PAUSE = 0.1
_PATIENCE = 2.0
"""Seconds for an answer."""
_SURVIVES = 0.5
"""Seconds for which a server must outlive its first request."""


def main(seconds: float, command: list[str]) -> int:
    """Run ``command`` until it ends, or serves, or ``seconds`` are over; return its exit code (128 + signal).

    The report is ``{"port", "answer"}``: a status code, or "silent", "closed" or "not HTTP"; port 0: it only ran.
    """
    out = int(os.environ.pop("MILEPOST_REPORT_FD"))
    end = time.monotonic() + seconds
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while program.poll() is None:
        found = _listening()
        if found is not None or time.monotonic() > end:
            report = {"port": found[1], "answer": _ask(*found)} if found else {"port": 0, "answer": "silent"}
            time.sleep(_SURVIVES if found else 0)
            if program.poll() is not None:
                break
            os.write(out, json.dumps(report).encode())
            program.kill()
            return 0
        time.sleep(_PAUSE)
    code = program.wait()
    return code if code >= 0 else 128 - code


def _listening() -> tuple[str, int] | None:
    """Return host and lowest port that anything in this network namespace listens on: the program, or its child."""
    found = []
    for table, family in (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6)):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN:
                    address, _, number = fields[1].rpartition(":")
                    found.append((int(number, 16), _host(address, family)))
    port, host = min(found, default=(0, ""))
    return (host, port) if found else None


def _host(address: str, family: socket.AddressFamily) -> str:
    """Return what to connect to for an address of the table: 32-bit words in the machine's byte order."""
    words = [int(address[n : n + 8], 16).to_bytes(4, sys.byteorder) for n in range(0, len(address), 8)]
    host = socket.inet_ntop(family, b"".join(words))
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _ask(host: str, port: int) -> int | str:
    """Return the status code of ``GET /``, or how the server behaved instead."""
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except TimeoutError:
        return "silent"
    except http.client.RemoteDisconnected:
        return "closed"
    except http.client.HTTPException:
        return "not HTTP"
    except OSError:
        return "closed"
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
