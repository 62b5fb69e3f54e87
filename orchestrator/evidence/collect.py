"""All the facts on one attempt, measured in the sandbox and kept in the journal."""

from __future__ import annotations

import ast
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agents.skeleton import signature_gaps
from orchestrator.evidence.environment import Environment
from orchestrator.evidence.run_tests import HARNESS, normalised, run_tests
from orchestrator.evidence.static import analyse
from orchestrator.journal.store import RecordStore
from orchestrator.sandbox.port import Command, Sandbox
from schemas.architecture import Blueprint
from schemas.base import Schema, digest_of
from schemas.evidence import Evidence, ProgramRun
from schemas.idea import AcceptanceCheck, Idea
from schemas.test_report import Failure, TestReport

__all__ = ["Laboratory", "acceptance_source"]

PROGRAM_SECONDS = 10.0
"""In which the start command has to end, or to listen on a port."""

LAUNCHER = Path(__file__).with_name("launcher.py").resolve()


@dataclass(frozen=True)
class Laboratory:
    """Where evidence is made: one sandbox, one environment, one store."""

    sandbox: Sandbox
    environment: Environment
    store: RecordStore
    test_seconds: float = 30.0

    async def examine(
        self,
        files: Mapping[str, str],
        idea: Idea,
        checks: Sequence[AcceptanceCheck],
        *,
        runs_program: bool,
        blueprint: Blueprint | None,
        quarantined: tuple[str, ...] = (),
    ) -> Evidence:
        """Return the evidence on a project that consists of ``files``.

        ``checks`` are the sealed checks that must hold by now; ``quarantined`` are tests that do not count.

        Raises:
            ValueError: a path of ``files`` is not inside the project.
        """
        key = ["evidence", 4, files, [c.model_dump() for c in checks], runs_program, idea.run, quarantined]
        key += [blueprint.skeletons if blueprint else {}]
        key += [digest_of([tool.read_text(encoding="utf-8") for tool in (HARNESS, LAUNCHER)]), self.test_seconds]
        key += [self.environment.path.name, self.sandbox.name]
        known = self.store.fact(key, Evidence)
        if known is not None:
            return known
        with _unpacked(files) as project:
            generated = await self._generated(project, quarantined)
            acceptance = await self._acceptance(project, checks) if any(c.check for c in checks) else None
            program = await self._program(project, idea.run) if runs_program and idea.run else None
        code = {p: s for p, s in files.items() if p.endswith(".py") and not p.startswith(("tests/", "acceptance/"))}
        evidence = Evidence(
            generated=generated,
            acceptance=acceptance,
            program=program,
            findings=analyse(code),
            contract_gaps=[
                gap
                for path, skeleton in (blueprint.skeletons.items() if blueprint else ())
                for gap in signature_gaps(path, skeleton, files.get(path, ""))
            ],
            quarantined=list(quarantined),
            largest_file_lines=max((s.count("\n") + 1 for s in code.values()), default=0),
        )
        self.store.keep_fact(key, evidence)
        return evidence

    async def _generated(self, project: Path, quarantined: tuple[str, ...]) -> TestReport:
        if not (project / "tests").is_dir():
            return TestReport(total=0, passed=0, failed=0)
        return await run_tests(
            self.sandbox,
            project,
            self.environment.path,
            ["tests"],
            deselect=quarantined,
            seconds=self.test_seconds,
        )

    async def _acceptance(self, project: Path, checks: Sequence[AcceptanceCheck]) -> TestReport:
        """Run the sealed checks from a folder of their own, outside the project."""
        target = _sealed_file(checks)
        folder = target.parent
        try:
            report = await run_tests(
                self.sandbox,
                project,
                self.environment.path,
                [str(target)],
                readable=(folder,),
                seconds=self.test_seconds,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return _by_check(report, checks, folder)

    async def _program(self, project: Path, run: str) -> ProgramRun:
        """Run the start command: it must end well and print something, or serve."""
        command = Command(
            argv=("python", "-I", str(LAUNCHER), str(PROGRAM_SECONDS), *shlex.split(run)),
            project=project,
            environment=self.environment.path,
            readable=(LAUNCHER,),
            variables={"PYTHONPATH": self.sandbox.place(project)},
            seconds=PROGRAM_SECONDS + 10,  # the launcher keeps the time; this is for when it can't
            report=True,
        )
        result = await self.sandbox.run(command)
        execution = result.execution
        output = normalised((execution.stdout + execution.stderr).strip(), self.sandbox.place(project))[-4000:]
        served = _served(result.report)
        if served is not None:
            ok, said = served
        elif execution.ended:
            ok, said = False, f"({execution.ended})"
        else:
            ok = execution.exit_code == 0 and bool(execution.stdout.strip())
            said = "(it printed nothing to its standard output)" if execution.exit_code == 0 and not ok else ""
        code = None if served is not None else execution.exit_code
        return ProgramRun(command=run, ok=ok, exit_code=code, output=f"{output}\n{said}".strip())


class _Served(Schema):
    port: int
    answer: int | Literal["silent", "closed", "not HTTP"]


def _served(report: bytes) -> tuple[bool, str] | None:
    """Return whether a program that did not end works as a server, and in words; None where it ended."""
    try:
        served = _Served.model_validate_json(report)
    except ValidationError:
        return None
    if not served.port:
        return False, f"(after {PROGRAM_SECONDS:g} s it had neither ended nor listened on a port)"
    at = f"(it listens on port {served.port}"
    match served.answer:
        case "silent":
            return True, f"{at}, and waits for more than an HTTP request)"
        case "not HTTP":
            return True, f"{at}, and does not speak HTTP)"
        case "closed":
            return False, f"{at}, and closes the connection without an answer)"
        case status:
            return status < 500, f"{at}, and answers GET / with status {status})"


def acceptance_source(check: AcceptanceCheck) -> str:
    """Return the sealed check as one pytest function; its statements are those of the user, unchanged."""
    body = ast.parse(check.check or "").body
    name = f"test_{check.id.replace('-', '_')}"
    function = ast.parse(f"def {name}():\n    pass").body[0]
    assert isinstance(function, ast.FunctionDef)  # noqa: S101  (it was just built so)
    function.body = body
    return ast.unparse(ast.fix_missing_locations(ast.Module([function], [])))


@contextmanager
def _unpacked(files: Mapping[str, str]) -> Iterator[Path]:
    """Put ``files`` into a folder that any user may read and that goes when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-project-"))
    try:
        folder.chmod(0o755)
        for name, content in files.items():
            target = folder / name
            if not target.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{name} is not inside the project")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content, encoding="utf-8", errors="surrogateescape")
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                raise ValueError(f"{name} can't be both a file and a folder") from None
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sealed_file(checks: Sequence[AcceptanceCheck]) -> Path:
    """Write the checks to a file in a new folder that any user may read."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-acceptance-"))
    folder.chmod(0o755)
    target = folder / "test_acceptance.py"
    target.write_text("\n\n".join(acceptance_source(c) for c in checks if c.check), encoding="utf-8")
    target.chmod(0o644)
    return target


def _by_check(report: TestReport, checks: Sequence[AcceptanceCheck], folder: Path) -> TestReport:
    """Name results after their checks and give each failure the check's own source."""
    sources = {f"test_{c.id.replace('-', '_')}": c for c in checks if c.check}

    def name_of(node: str) -> str:
        found = sources.get(node.rpartition("::")[2])
        return found.id if found else node

    failures = []
    for failure in report.failures:
        check = sources.get(failure.test.rpartition("::")[2])
        error = failure.error.replace(str(folder), "")
        failures.append(
            failure.model_copy(
                update={
                    "test": check.id if check else failure.test,
                    "error": error,
                    "source": check.check if check and check.check else "",
                    "location": failure.location.replace(str(folder) + "/", ""),
                }
            )
        )
    results = [r.model_copy(update={"id": name_of(r.id)}) for r in report.results]
    passed = {r.id for r in results if r.outcome == "passed"}
    failures += [
        Failure(test=c.id, error="the check did not run to its end", location="", source=c.check)
        for c in checks
        if c.check and c.id not in passed and c.id not in {f.test for f in failures}
    ]
    return report.model_copy(update={"failures": failures, "results": results})
