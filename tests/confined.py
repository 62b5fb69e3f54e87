"""Running code in a sandbox as root or as nobody, whichever user the tests themselves have.

As a program (``python -m tests.confined``) it reads one JSON object from standard input and prints the `Execution`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.sandbox.bubblewrap import NOBODY, Bubblewrap, _binds, find_bwrap
from orchestrator.sandbox.direct import Direct
from orchestrator.sandbox.port import Command
from schemas.evidence import Execution

__all__ = ["AS_ROOT", "KINDS", "Way", "confined", "seen"]

ROOT = Path(__file__).resolve().parent.parent
AS_ROOT = os.geteuid() == 0


@dataclass(frozen=True)
class Way:
    """One way to confine code: which sandbox, which means of limits, and which user Milepost has."""

    kind: str
    cgroup: bool
    user: str

    def __str__(self) -> str:
        return f"{self.kind}-{'cgroup' if self.cgroup else 'watchdog'}-{self.user}"


KINDS = [
    Way(kind, cgroup, user)
    for user in (("root", "nobody") if AS_ROOT else ("nobody",))
    for kind in ("bubblewrap", "landlock")
    for cgroup in ((True, False) if user == "root" else (False,))
]


def confined(way: Way, given: dict[str, Any]) -> Execution:
    """Run ``given["code"]`` in Python in the sandbox; other entries: ``project``, ``environment``, bounds."""
    request = json.dumps({**given, "kind": way.kind, "cgroup": way.cgroup})
    done = subprocess.run(
        seen(way, [sys.executable, "-m", "tests.confined"]),
        input=request,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ,
        timeout=120,
    )
    return Execution.model_validate_json(done.stdout)


def seen(way: Way, command: list[str]) -> list[str]:
    """Return ``command`` so that it runs as the user of ``way``, who can read the interpreter wherever it is."""
    if not AS_ROOT or (way.user == "root" and way.kind == "bubblewrap"):
        return command
    argv = [str(find_bwrap()), "--dev-bind", "/", "/"]
    for top in {Path("/", path.parts[1]) for path in (Path(sys.base_prefix), Path(sys.prefix), ROOT)}:
        if not top.stat().st_mode & 0o001:
            argv += ["--perms", "0755", "--tmpfs", str(top)]
    argv += _binds([Path(sys.base_prefix), Path(sys.prefix), ROOT])
    if way.user == "root":
        return [*argv, "--", *command]
    return [*argv, "--", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--", *command]


def main() -> None:
    given = json.loads(sys.stdin.read())
    sandbox = Bubblewrap() if given.pop("kind") == "bubblewrap" else Direct("landlock")
    if not given.pop("cgroup"):
        sandbox._cgroups = None
    command = Command(
        argv=("python", "-c", given.pop("code")),
        project=Path(given.pop("project")),
        environment=Path(given.pop("environment")),
        **given,
    )
    print(asyncio.run(sandbox.run(command)).execution.model_dump_json())  # noqa: T201


if __name__ == "__main__":
    main()
