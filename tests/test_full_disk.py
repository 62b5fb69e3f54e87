"""A disk that is really full: a tmpfs of a few kilobytes, mounted by bubblewrap for one command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from orchestrator.sandbox.bubblewrap import find_bwrap
from schemas.errors import ExitCode
from tests.helpers import GREETER
from tests.replies import RETRY

INSIDE = """
import json, pathlib, subprocess, sys
done = subprocess.run([sys.executable, "-m", "orchestrator", *sys.argv[1:]], capture_output=True, text=True)
broken, parts = [], []
for path in pathlib.Path().rglob("*"):
    if path.is_file() and ".git" not in path.parts:
        if path.name.startswith("."):
            parts.append(str(path))
        elif path.suffix == ".json":
            try:
                json.loads(path.read_text())
            except ValueError:
                broken.append(str(path))
print(json.dumps([done.returncode, done.stderr, broken, parts]))
"""


def run_on(size: int, workspace: Path) -> tuple[int, str, list[str], list[str]]:
    """Run the greeter with ``size`` bytes of space.

    Returns exit code, messages, broken records and left-over temporary files.
    """
    script = workspace / "script.yaml"
    script.write_text(yaml.safe_dump([line.model_dump() for line in RETRY]))
    small = workspace / "small"
    small.mkdir()
    environment = {**os.environ, "MILEPOST_BACKEND": "scripted", "MILEPOST_SCRIPT": str(script)}
    mount = [
        str(find_bwrap()),
        "--dev-bind",
        "/",
        "/",
        "--size",
        str(size),
        "--tmpfs",
        str(small),
        "--chdir",
        str(small),
    ]
    command = [*mount, sys.executable, "-c", INSIDE, "run", str(GREETER), "--run-name", "full"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    code, messages, broken, parts = json.loads(done.stdout)
    return code, messages, broken, parts


def test_a_full_disk_ends_the_run_with_a_plain_message_and_nothing_half_written(workspace: Path) -> None:
    code, messages, broken, parts = run_on(64 * 1024, workspace)
    assert code == ExitCode.BAD_INPUT
    assert "No space left on device" in messages
    assert "Traceback" not in messages
    assert (broken, parts) == ([], [])
