"""Runs inside the sandbox: tries small, harmless attacks and prints one line for each that gets through.

It is started as a script by its path, with one JSON argument: ``port`` (a server outside), ``file`` (a secret outside),
``folders`` (that must not be writable), ``word`` (a secret in Milepost's own environment), ``filtered`` (whether system
calls are filtered), ``namespaces`` (whether there are any), ``socket`` (a local one outside).
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CLONE_NEWUSER = 0x10000000


def _reaches_the_network(given: dict[str, Any]) -> bool:
    socket.create_connection(("127.0.0.1", given["port"]), 2).close()
    return True


def _reads_files_of_the_machine(given: dict[str, Any]) -> bool:
    return bool(Path(given["file"]).read_bytes())


def _writes_outside_the_temporary_folder(given: dict[str, Any]) -> bool:
    for folder in given["folders"]:
        try:
            Path(folder, "milepost-probe").write_text("")
        except OSError:
            continue
        return True
    return False


def _sees_the_environment_of_milepost(given: dict[str, Any]) -> bool:
    if given["word"] in os.environ.values():
        return True
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if given["word"].encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def _sees_other_processes(given: dict[str, Any]) -> bool:
    try:
        os.kill(given["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return bool(given["namespaces"])  # it must not be there at all
    return bool(os.getpid() != given["pid"])


def _has_privileges(given: dict[str, Any]) -> bool:
    if os.getuid() == 0 or os.geteuid() == 0:
        return True
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["CapEff"], 16) != 0


def _has_no_limits(given: dict[str, Any]) -> bool:
    return resource.RLIM_INFINITY in (
        resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)
    )


def _reaches_sockets_of_the_machine(given: dict[str, Any]) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(given["socket"])
    return True


def _changes_files_outside(given: dict[str, Any]) -> bool:
    before = Path(given["file"]).parent.stat().st_mode
    Path(given["file"]).parent.chmod(before ^ 0o010)
    return Path(given["file"]).parent.stat().st_mode != before


def _makes_a_namespace(given: dict[str, Any]) -> bool:
    return bool(given["filtered"]) and ctypes.CDLL(None).unshare(_CLONE_NEWUSER) == 0


_ATTACKS: tuple[Callable[[dict[str, Any]], bool], ...] = (
    _reaches_the_network,
    _reads_files_of_the_machine,
    _writes_outside_the_temporary_folder,
    _sees_the_environment_of_milepost,
    _sees_other_processes,
    _has_privileges,
    _has_no_limits,
    _reaches_sockets_of_the_machine,
    _changes_files_outside,
    _makes_a_namespace,
)


def main(given: dict[str, Any]) -> int:
    """Print what gets through, and at last that all was tried."""
    for attack in _ATTACKS:
        try:
            through = attack(given)
        except OSError:
            through = False
        if through:
            print(f"code inside {attack.__name__.strip('_').replace('_', ' ')}")
    print("all tried")
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
