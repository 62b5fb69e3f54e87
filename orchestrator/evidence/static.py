"""Static evidence: what a linter sees without running anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from schemas.evidence import Finding

__all__ = ["analyse", "certain_errors", "tidy"]

_COMPLEXITY = 15
# Pyflakes, likely bugs, missing docstrings and types of public functions, complexity.
_RULES = "F,E9,B006,B008,B023,D101,D102,D103,ANN001,ANN201,C901"
_CERTAIN = "F821,F823,F811,E9"


def analyse(files: Mapping[str, str]) -> list[Finding]:
    """Return the findings on the Python ``files``, tests excluded."""
    findings = []
    for path, source in sorted(files.items()):
        if path.endswith(".py") and not path.startswith("tests/"):
            for item in _ruff(path, source, _RULES):
                rule = item["code"] or "syntax"
                findings.append(
                    Finding(
                        tool="complexity" if rule == "C901" else "lint",
                        rule=rule,
                        path=path,
                        line=item["location"]["row"],
                        message=item["message"],
                    )
                )
    return findings


def certain_errors(path: str, source: str) -> list[str]:
    """Return what can only be wrong in ``source``, such as undefined names, one line each."""
    return [f"{path}: {item['message']}" for item in _ruff(path, source, _CERTAIN)]


def tidy(path: str, source: str) -> str:
    """Return ``source`` formatted, its imports sorted and unused ones removed."""
    if not path.endswith(".py"):
        return source
    fixed = _run(["check", "--fix-only", "--select=I,F401", "--exit-zero", "--quiet"], path, source)
    return _run(["format", "--quiet", "--line-length=100"], path, fixed or source) or fixed or source


def _ruff(path: str, source: str, rules: str) -> list[dict[str, Any]]:
    output = _run(["check", f"--select={rules}", "--output-format=json", "--exit-zero"], path, source)
    found = json.loads(output or "[]")
    return found if isinstance(found, list) else []


@cache
def _binary() -> str:
    beside = Path(sys.executable).with_name("ruff")
    return str(beside) if beside.exists() else "ruff"


def _run(arguments: list[str], path: str, source: str) -> str:
    command = [_binary(), arguments[0], "--isolated", "--no-cache", *arguments[1:], "--stdin-filename", path, "-"]
    if arguments[0] == "check":
        command[4:4] = [f"--config=lint.mccabe.max-complexity={_COMPLEXITY}"]
    done = subprocess.run(
        command, input=source, capture_output=True, text=True, check=False, timeout=60, errors="replace"
    )
    return done.stdout
