"""The ideas, their held-out checks and their references; and how a project is scored.

Each folder in ``tasks`` is one idea:

- ``idea.yaml``: all that an arm may see, visible checks included.
- ``held_out.py``: pytest functions, each for one behaviour that follows from the idea's features and stands in none of
  its visible checks. They use only what the idea names, and each imports by itself, so that one missing function
  doesn't fail them all. They come to a project only when it is finished.
- ``reference/``: a small project that passes everything; the proof that it can be done.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.evidence.environment import Environment
from orchestrator.evidence.run_tests import run_tests
from orchestrator.idea_file import parse_idea
from orchestrator.sandbox.port import Sandbox
from orchestrator.scratch import scratch, unpacked
from schemas.idea import Idea
from schemas.test_report import TestReport

__all__ = ["HELD_OUT", "TASKS", "Task", "chosen", "emptied", "load", "outcomes", "read_project", "refusing"]

TASKS = Path(__file__).with_name("tasks")
HELD_OUT = "held_out.py"
SECONDS = 60.0
"""So long may all held-out checks of a project take."""
SECONDS_EACH = 20.0
"""So long may one take, where they did not end together."""
MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class Task:
    """One idea."""

    folder: Path

    @property
    def name(self) -> str:
        """Its folder's."""
        return self.folder.name

    @cached_property
    def text(self) -> str:
        """The idea file."""
        return (self.folder / "idea.yaml").read_text(encoding="utf-8")

    @cached_property
    def idea(self) -> Idea:
        """The idea file, read by the product."""
        return parse_idea(self.text, f"{self.name}/idea.yaml")

    @cached_property
    def held_out(self) -> str:
        """The source of the held-out checks."""
        return (self.folder / HELD_OUT).read_text(encoding="utf-8")

    @cached_property
    def tests(self) -> list[str]:
        """The names of the held-out checks, from their source: no report can leave one out."""
        tree = ast.parse(self.held_out)
        return [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]

    @cached_property
    def reference(self) -> dict[str, str]:
        """Path → content of the reference."""
        return read_project(self.folder / "reference")


def load() -> list[Task]:
    """Return all ideas, by name."""
    return [Task(path.parent) for path in sorted(TASKS.glob("*/idea.yaml"))]


def chosen(tasks: Sequence[Task], names: str | None) -> list[Task]:
    """Return the ideas that ``names`` lists, parted by commas, in that order; all where it is None.

    Raises:
        SystemExit: there is no such idea.
    """
    by_name = {task.name: task for task in tasks}
    wanted = names.split(",") if names else list(by_name)
    if unknown := [name for name in wanted if name not in by_name]:
        raise SystemExit(f"there is no idea {', '.join(unknown)}; there are {', '.join(by_name)}")
    return [by_name[name] for name in wanted]


def read_project(folder: Path) -> dict[str, str]:
    """Return path → content of the plain files in ``folder``, without what is hidden, compiled, a link or huge."""
    files = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if not hidden and path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_FILE_BYTES:
            files["/".join(parts)] = path.read_text(encoding="utf-8", errors="surrogateescape")
    return files


class _Replaced(ast.NodeTransformer):
    def __init__(self, body: str, kept: Sequence[str]) -> None:
        self._body, self._kept = body, kept

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = node.body if node.name in self._kept else ast.parse(self._body).body
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        node.body = ast.parse(self._body).body
        return node


def emptied(files: Mapping[str, str]) -> dict[str, str]:
    """Return the project with every function doing nothing: what no held-out check may pass on."""
    return _replaced(files, "pass", ())


def refusing(files: Mapping[str, str]) -> dict[str, str]:
    """Return the project with every function refusing whatever it is given: checks that something is refused pass on
    it, and are worth that much less."""
    return _replaced(files, "raise ValueError", ("__init__",))


def _replaced(files: Mapping[str, str], body: str, kept: Sequence[str]) -> dict[str, str]:
    done = _Replaced(body, kept)
    return {
        path: ast.unparse(ast.fix_missing_locations(done.visit(ast.parse(text)))) if path[-3:] == ".py" else text
        for path, text in files.items()
    }


async def outcomes(task: Task, files: Mapping[str, str], sandbox: Sandbox, environment: Environment) -> dict[str, str]:
    """Return each held-out check → ``passed``, ``failed``, ``skipped`` or ``error`` (it did not come to its end), as
    the sandbox and the product's own harness found it: no ``conftest.py`` or ``pytest.ini`` of the project counts.

    The checks lie outside the project. Where one of them keeps all from ending, each is run by itself.

    Raises:
        ValueError: a path of the project is not inside it.
    """
    with unpacked(files) as project, scratch() as folder:
        target = folder / HELD_OUT
        target.write_text(task.held_out, encoding="utf-8")
        target.chmod(0o644)

        async def run(seconds: float, *nodes: str) -> TestReport:
            return await run_tests(
                sandbox,
                project,
                environment.path,
                [f"{target}{node}" for node in nodes],
                readable=(folder,),
                seconds=seconds,
                coverage=False,
            )

        report = await run(SECONDS, "")
        found = _by_name(report)
        if report.ended:
            for name in task.tests:
                found[name] = _by_name(await run(SECONDS_EACH, f"::{name}")).get(name, "error")
    return {name: found.get(name, "error") for name in task.tests}


def _by_name(report: TestReport) -> dict[str, str]:
    return {r.id.rpartition("::")[2]: str(r.outcome) for r in report.results}
