"""All the facts on one attempt, measured in the sandbox and kept in the journal."""

from __future__ import annotations

import ast
import asyncio
import random
import secrets
import shlex
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agents.skeleton import signature_gaps
from orchestrator.evidence import agreement, mutants
from orchestrator.evidence.control import Control, controls, shown_alone, solo, unfailing
from orchestrator.evidence.environment import Environment
from orchestrator.evidence.mutants import chosen, measure_strength
from orchestrator.evidence.run_tests import HARNESS, normalised, run_tests
from orchestrator.evidence.static import analyse, audit
from orchestrator.journal.store import RecordStore
from orchestrator.sandbox.port import Command, Sandbox
from orchestrator.scratch import scratch, unpacked
from schemas.architecture import Blueprint, own_code
from schemas.base import Schema, digest_of
from schemas.evidence import Evidence, Execution, ProgramRun, Strength
from schemas.idea import AcceptanceCheck, Idea
from schemas.test_report import Failure, TestReport

__all__ = ["Laboratory", "Subject", "acceptance_source"]

PROGRAM_SECONDS = 30.0
"""In which the start command has to end, or to listen on a port."""

SOLOS = 6
"""So many tests of an attempt are tried alone, where the control runs did not show that they can fail."""

LAUNCHER = Path(__file__).with_name("launcher.py").resolve()
TOOLS = (HARNESS, LAUNCHER, mutants.HARNESS, agreement.HARNESS)
"""What runs inside the sandbox: where it changes, what was measured with it counts no more."""


@dataclass(frozen=True)
class Subject:
    """What is examined, and what it has to be."""

    files: Mapping[str, str]
    """Path → content of the whole project."""
    idea: Idea
    checks: Sequence[AcceptanceCheck]
    """The sealed checks that must hold by now."""
    runs_program: bool
    blueprint: Blueprint | None = None
    """The interfaces that must be there."""
    quarantined: tuple[str, ...] = ()
    """Tests that do not count."""
    silent: bool = False
    """Whether the program may end well without printing anything."""

    @property
    def code(self) -> dict[str, str]:
        """The project's own Python files, without tests."""
        return own_code(self.files)

    @property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        checks = [check.model_dump() for check in self.checks]
        skeletons = self.blueprint.skeletons if self.blueprint else {}
        return digest_of(
            [self.files, checks, self.runs_program, self.idea.run, self.quarantined, skeletons, self.silent]
        )


@dataclass(frozen=True)
class Laboratory:
    """Where evidence is made: one sandbox, one environment, one store. What was measured once is not measured again."""

    sandbox: Sandbox
    environment: Environment
    store: RecordStore
    test_seconds: float = 30.0
    mutants: int = 12
    """How many planted defects the tests are tried on; 0: none."""

    async def examine(self, subject: Subject, *, decides: bool = False) -> Evidence:
        """Run the tests, the sealed checks and the program, and look at the code: enough to compare versions by. Where
        it ``decides``, tests that a limit of time cut short are run once more: once may be the machine's fault.

        Raises:
            ValueError: a path of the project is not inside it.
        """
        evidence = await self._once("examined", subject, self._examined)
        if decides and evidence.cut_short:
            evidence = await self._once("examined again", subject, self._examined)
        return evidence

    async def scrutinise(self, subject: Subject) -> Evidence:
        """Examine, and look for what a verdict needs besides: security, types and, where all tests pass, whether they
        could have failed (the control run) and what they notice (mutants).

        Raises:
            ValueError: as `examine`.
        """
        return await self._once("scrutinised", subject, self._scrutinised)

    async def agreement(
        self, versions: Sequence[str], voters: Sequence[str], calls: Sequence[str], *, errors: bool = False
    ) -> agreement.Shares:
        """Return which share of the other ``voters`` comes to the same as each of ``versions`` (0–1) on calls like
        ``calls``; all are programs of one file. ``errors``: whether to refuse an input is a result like others.
        It is no fact itself: see `orchestrator.evidence.agreement`.

        Raises:
            Unavailable: the sandbox could not be made.
        """
        tried = agreement.varied(calls)
        tool = digest_of(agreement.HARNESS.read_text(encoding="utf-8"))
        key = ["agreement", 3, list(versions), list(voters), tried, errors, tool, self.environment.path.name]
        kept = self.store.fact(key, agreement.Shares)
        if kept is None:
            kept = await agreement.measured(self.sandbox, self.environment.path, versions, voters, tried, errors=errors)
            self.store.keep_fact(key, kept)
        return kept

    async def start(self, files: Mapping[str, str], argv: tuple[str, ...], seconds: float) -> Execution:
        """Really run a command of the project ``files``; nothing of it is kept as a fact."""
        with unpacked(files) as project:
            command = Command(argv=argv, project=project, environment=self.environment.path, seconds=seconds)
            return (await self.sandbox.run(command)).execution

    async def _once(self, what: str, subject: Subject, measure: Callable[[Subject], Awaitable[Evidence]]) -> Evidence:
        key = [what, 9, subject.digest, digest_of([tool.read_text(encoding="utf-8") for tool in TOOLS])]
        key += [self.test_seconds, self.mutants, self.environment.path.name, self.sandbox.name]
        evidence = self.store.fact(key, Evidence)
        if evidence is None:
            evidence = await measure(subject)
            self.store.keep_fact(key, evidence)
        return evidence

    async def _examined(self, subject: Subject) -> Evidence:
        idea, blueprint, code = subject.idea, subject.blueprint, subject.code
        with unpacked(subject.files) as project:
            generated, acceptance, program = await asyncio.gather(
                self._generated(project, subject.quarantined),
                self._acceptance(project, subject.checks),
                self._program(project, idea.run if subject.runs_program else None, silent=subject.silent),
            )
        return Evidence(
            generated=generated,
            acceptance=acceptance,
            program=program,
            findings=analyse(code),
            contract_gaps=[
                gap
                for path, skeleton in (blueprint.skeletons.items() if blueprint else ())
                for gap in signature_gaps(path, skeleton, subject.files.get(path, ""))
            ],
            quarantined=list(subject.quarantined),
            largest_file_lines=max((len(s.splitlines()) for s in code.values()), default=0),
        )

    async def _scrutinised(self, subject: Subject) -> Evidence:
        evidence = await self.examine(subject, decides=True)
        findings = [*evidence.findings, *audit(subject.code, subject.files, self.environment.allowed())]
        evidence = evidence.model_copy(update={"findings": findings})
        if not evidence.generated.clean or not evidence.holds:
            return evidence
        return evidence.model_copy(
            update={
                **await self._control(subject, evidence),
                "strength": await self._strength(subject),
            }
        )

    async def _control(self, subject: Subject, evidence: Evidence) -> dict[str, object]:
        """Return `Evidence.unfailing` and `Evidence.control_ended`."""
        lot = random.Random(secrets.randbits(128))  # noqa: S311  (seeded so that nobody can foresee it)
        tests = {p: s for p, s in subject.files.items() if p.startswith("tests/") and p.endswith(".py")}

        async def generated(control: Control) -> TestReport:
            with unpacked({**subject.files, **control.files}) as project:
                return await self._generated(project, subject.quarantined, coverage=False)

        async def sealed(control: Control) -> TestReport:
            with unpacked(subject.files) as project:
                report = await self._acceptance(project, subject.checks, control.files[_SEALED])
            return _as_nodes(report) if report else TestReport(total=0, passed=0, failed=0)

        idle, ended = await _never_shown(evidence.generated, tests, lot, generated)
        if evidence.acceptance is not None:
            source = {_SEALED: _source(subject.checks)}
            # A check that says nothing that could be turned is the user's own: it has the benefit of the doubt.
            can = {node for run in controls(source, lot) for node in map(_node, evidence.met) if run.has_turned(node)}
            never, ended_too = await _never_shown(_as_nodes(evidence.acceptance), source, lot, sealed)
            ended = ended or ended_too
            idle += [check for check in sorted(evidence.met) if _node(check) in can & set(never)]
        return {"unfailing": idle, "control_ended": ended}

    async def _strength(self, subject: Subject) -> Strength | None:
        new = subject.blueprint.skeletons if subject.blueprint else subject.code
        code = {path: source for path, source in subject.code.items() if path in new}
        with unpacked(subject.files) as project, _sealed(_source(subject.checks)) as sealed:
            return await measure_strength(
                self.sandbox, project, self.environment.path, chosen(code, self.mutants), sealed, subject.quarantined
            )

    async def _generated(self, project: Path, quarantined: tuple[str, ...], *, coverage: bool = True) -> TestReport:
        if not (project / "tests").is_dir():
            return TestReport(total=0, passed=0, failed=0)
        return await run_tests(
            self.sandbox,
            project,
            self.environment.path,
            ["tests"],
            deselect=quarantined,
            seconds=self.test_seconds,
            coverage=coverage,
        )

    async def _acceptance(
        self, project: Path, checks: Sequence[AcceptanceCheck], source: str | None = None
    ) -> TestReport | None:
        """Run the sealed checks (``source``: what a control run has made of them) from a folder of their own, outside
        the project."""
        with _sealed(_source(checks) if source is None else source) as target:
            if target is None:
                return None
            report = await run_tests(
                self.sandbox,
                project,
                self.environment.path,
                [str(target)],
                readable=(target.parent,),
                seconds=self.test_seconds,
                coverage=False,
            )
            return _by_check(report, checks, target.parent)

    async def _program(self, project: Path, run: str | None, *, silent: bool) -> ProgramRun | None:
        """Run the start command, if there is one: it must serve, or end well and (unless ``silent``) print."""
        if run is None:
            return None
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
        printed = (execution.stdout + execution.stderr).strip()[-8000:]
        output = normalised(printed, self.sandbox.place(project))[-4000:]
        served = _served(result.report)
        if served is not None:
            ok, said = served
        elif execution.ended:
            ok, said = False, f"({execution.ended})"
        else:
            ok = execution.exit_code == 0 and (silent or bool(execution.stdout.strip()))
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


async def _never_shown(
    straight: TestReport,
    sources: Mapping[str, str],
    lot: random.Random,
    run: Callable[[Control], Awaitable[TestReport]],
) -> tuple[list[str], str | None]:
    """Return the tests of ``sources`` that were not shown to be able to fail (`SOLOS` of them are tried alone), and why
    a control run broke off, if one did so twice: once may be the machine's fault."""

    async def tried(control: Control) -> TestReport:
        report = await run(control)
        return await run(control) if report.ended else report

    pair = controls(sources, lot)
    reports = await asyncio.gather(*map(tried, pair))
    runs = list(zip(pair, reports, strict=True))
    idle = unfailing(straight, runs)
    ended = next((report.ended for report in reports if report.ended), None)
    turned = {r.id: r.outcome for control, report in runs for r in report.results if control.has_turned(r.id)}
    # What passed turned round can't fail; what only failed straight too may build on a test that was turned.
    alone = [node for node in idle if turned.get(node) in ("failed", "error")][:SOLOS]
    if not alone or ended:
        return idle, ended
    single = [solo(sources, node, lot) for node in (*alone, None)]
    *reports, plain = await asyncio.gather(*map(tried, single))
    held = plain.passing
    done = zip(alone, single, reports, strict=False)
    shown = {node for node, control, report in done if node in held and shown_alone(straight, node, control, report)}
    return [node for node in idle if node not in shown], None


_SEALED = "test_acceptance.py"


def _source(checks: Sequence[AcceptanceCheck]) -> str:
    """Return the test module of the sealed checks; empty where there is none."""
    return "\n\n".join(acceptance_source(c) for c in checks if c.check)


def _node(check: str) -> str:
    """Return the node id of the sealed check with id ``check``."""
    return f"{_SEALED}::test_{check.replace('-', '_')}"


def _as_nodes(report: TestReport) -> TestReport:
    """Return a report on checks with node ids in place of theirs."""
    return report.model_copy(update={"results": [r.model_copy(update={"id": _node(r.id)}) for r in report.results]})


@contextmanager
def _sealed(source: str) -> Iterator[Path | None]:
    """Write the checks to a file in a new folder that any user may read, outside the project; None if there is none."""
    if not source:
        yield None
        return
    with scratch() as folder:
        target = folder / _SEALED
        target.write_text(source, encoding="utf-8")
        target.chmod(0o644)
        yield target


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
