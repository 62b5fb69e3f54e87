"""Running code in a sandbox as root or as nobody, whichever user the tests themselves have.

As a program (``python -m tests.confined``) it reads one JSON object from standard input and prints name → `Execution`.
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


def confined(way: Way, runs: dict[str, dict[str, Any]]) -> dict[str, Execution]:
    """Run each ``code`` in Python in the sandbox, two at a time; other entries are those of a `Command`."""
    request = json.dumps({"kind": way.kind, "cgroup": way.cgroup, "runs": runs})
    done = subprocess.run(
        seen(way, [sys.executable, "-m", "tests.confined"]),
        input=request,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return {name: Execution.model_validate(value) for name, value in json.loads(done.stdout).items()}


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


async def _all(given: dict[str, Any]) -> dict[str, Any]:
    sandbox = Bubblewrap() if given["kind"] == "bubblewrap" else Direct("landlock")
    if not given["cgroup"]:
        sandbox._cgroups = None
    turns = asyncio.Semaphore(2)

    async def run(code: str, project: str, environment: str, **bounds: Any) -> dict[str, Any]:
        argv = ("python", "-c", code)
        command = Command(argv=argv, project=Path(project), environment=Path(environment), **bounds)
        async with turns:
            return (await sandbox.run(command)).execution.model_dump()

    done = await asyncio.gather(*(run(**one) for one in given["runs"].values()))
    return dict(zip(given["runs"], done, strict=True))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_all(json.loads(sys.stdin.read())))))  # noqa: T201
