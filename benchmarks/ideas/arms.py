"""The ways from an idea to a project that are compared. Each sees the idea file alone, visible checks included."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.parsing import fences, path_of
from agents.ports import Model, ModelError
from benchmarks.ideas.task import Task, read_project
from benchmarks.settings import environment
from orchestrator.compose import build_models
from orchestrator.config import Settings
from orchestrator.evidence.collect import Laboratory, Subject
from orchestrator.evidence.environment import Environment
from orchestrator.journal.store import RecordStore
from orchestrator.sandbox.port import Sandbox
from orchestrator.workspace.layout import RunFiles
from schemas.call import Message, ModelReply, ModelRequest, Usage
from schemas.errors import ExitCode, Unavailable
from schemas.milestone import Status
from schemas.report import FinalReport

__all__ = ["ARMS", "RUN", "Bench", "Delivery", "from_report", "project_from"]

ROOT = Path(__file__).resolve().parents[2]
RUN = "run"
"""Each run of the pipeline has a workspace of its own, so they can share a name."""
GRACE = 15 * 60.0
"""Seconds beyond its own limit, which is checked before each call, after which a run is ended from outside."""

TEMPERATURE = 0.7
ASK = """\
Write a complete Python project that implements the following idea, described in YAML. It must have every feature \
that is listed, and pass the checks under "acceptance".

```yaml
{idea}
```

Reply with all files of the project. Put each file in a fenced code block of its own, with the path of the file on the \
fence's first line, after the language: ```python path=NAME.py for a file NAME.py. Write complete files: no \
placeholders, and nothing left out."""


@dataclass(frozen=True)
class Bench:
    """What the arms work with."""

    settings: Settings
    sandbox: Sandbox
    environment: Environment
    """That of the idea's dependencies."""
    folder: Path
    """New for this idea and arm: everything that the arm leaves is kept here."""
    minutes: float
    """A limit for the run of one idea."""
    budget: int = 0
    """Output tokens, where an arm samples until they are used up."""
    config: Path | None = None
    """Settings of another model than the default one."""


@dataclass
class Delivery:
    """What an arm came to."""

    files: dict[str, str] = field(default_factory=dict)
    """The project, path → content."""
    accepted: bool = False
    """The arm's own verdict, on what it can see."""
    visible_passed: int = 0
    """Measured here, for every arm alike: a run's report proves checks of accepted work only."""
    milestones_accepted: int = 0
    milestones: int = 0
    attempts: int = 1
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    models: list[str] = field(default_factory=list)
    exit_code: int | None = None
    error: str | None = None


def single(bench: Bench, task: Task) -> Delivery:
    """Return the project of one greedy reply, accepted where all visible checks pass.

    Raises:
        Unavailable: the model gives no reply, which is no outcome.
    """
    return asyncio.run(_whole(bench, task, budget=0))


def resample(bench: Bench, task: Task) -> Delivery:
    """Return the best of that reply and samples of the same prompt, which are asked for until all visible checks pass
    or as many output tokens as the budget are used up (the last call may go beyond).

    Raises:
        Unavailable: as `single`.
    """
    return asyncio.run(_whole(bench, task, budget=bench.budget))


async def _whole(bench: Bench, task: Task, budget: int) -> Delivery:
    models = build_models(bench.settings, lambda *_: None)
    model = models.by_agent["impl"]
    wanted = sum(bool(check.check) for check in task.idea.acceptance)
    best, usage, sample = Delivery(visible_passed=-1), Usage(), 0
    try:
        while sample == 0 or (best.visible_passed < wanted and usage.output_tokens < budget):
            reply = await _asked(model, task, sample)
            usage += reply.usage
            for number, text in enumerate([reply.text, *reply.alternatives]):
                (bench.folder / f"reply-{sample}-{number}.md").write_text(text, encoding="utf-8")
                found = await _read(bench, task, text)
                best = found if found.visible_passed > best.visible_passed else best
            if reply.stop_reason == "max_tokens" and budget == 0:
                best.error = best.error or "the reply was cut off"
            sample += 1
    finally:
        await models.close()
    best.accepted = best.visible_passed == wanted
    best.calls, best.usage, best.models = sample, usage, [model.name]
    return best


async def _asked(model: Model, task: Task, sample: int) -> ModelReply:
    """Ask for the whole project: once for the likeliest reply, then for as many others as the model gives at once."""
    takes = model.traits.temperature is not None
    request = ModelRequest(
        agent="impl",
        model=model.name,
        system="You are a careful Python programmer.",
        messages=[Message(role="user", content=ASK.format(idea=task.text.strip()))],
        max_tokens=model.traits.max_output_tokens,
        temperature=(TEMPERATURE if sample else 0.0) if takes else None,
        sample=sample,
        choices=model.traits.choices if sample else 1,
    )
    try:
        return await model.reply(request, lambda _: None)
    except ModelError as problem:
        raise Unavailable(f"{model.name}: {problem}") from problem


async def _read(bench: Bench, task: Task, reply: str) -> Delivery:
    """Return the project of ``reply``, with how many visible checks hold."""
    delivery = Delivery()
    try:
        delivery.files = project_from(reply, _module(task))
        delivery.visible_passed = await _visible(bench, task, delivery.files)
    except ValueError as problem:
        delivery.error = str(problem)[:300]
    return delivery


async def _visible(bench: Bench, task: Task, files: Mapping[str, str]) -> int:
    """Return how many of the idea's visible checks hold for what was delivered, accepted or not.

    Raises:
        ValueError: a path of the project is not inside it.
    """
    laboratory = Laboratory(bench.sandbox, bench.environment, RecordStore(bench.folder / "facts"))
    code = {path: text for path, text in files.items() if not path.startswith("tests/")}
    subject = Subject(code, task.idea, task.idea.acceptance, runs_program=False)
    return len((await laboratory.examine(subject)).met)


def _module(task: Task) -> str:
    """Return the module that the visible checks name, which is called like the idea's folder."""
    return f"{task.name}.py"


def project_from(reply: str, otherwise: str) -> dict[str, str]:
    """Return path → content of the blocks that name a path: on the fence's line, or in a comment as their first line.
    Where none does, the first block of Python is the file ``otherwise``. Of two with one path the later one counts.

    Raises:
        ValueError: the reply is too long to be read.
    """
    blocks = fences(reply)
    files = {path: block.content for block in blocks if (path := _path(block.info, block.content))}
    if not files:
        python = [b.content for b in blocks if b.info.split()[:1] in (["python"], ["py"], [])]
        files = {otherwise: python[0]} if python else {}
    return files


def _path(info: str, content: str) -> str | None:
    first = content.lstrip().partition("\n")[0]
    comment = re.fullmatch(r"#\s*(?:(?:path|file|filename)\s*[=:])?\s*([\w./-]+\.\w+)\s*", first)
    for said in (info, comment[1] if comment else ""):
        try:
            return path_of(said)
        except ValueError:
            continue
    return None


def pipeline(bench: Bench, task: Task) -> Delivery:
    """Return the project of ``milepost run`` with default settings, as a user starts it: a process of its own, in an
    empty folder.

    Raises:
        Unavailable: the model, the sandbox, or what else a run needs is not there, or somebody ended it: no outcome.
    """
    idea = bench.folder / "idea.yaml"
    idea.write_text(task.text, encoding="utf-8")
    command = [sys.executable, "-m", "orchestrator", "run", idea.name, "--run-name", RUN]
    command += ["--max-minutes", f"{bench.minutes:g}"]
    command += ["--config", str(bench.config.absolute())] if bench.config else []
    variables = {**environment(bench.config), "PYTHONPATH": str(ROOT)}  # this checkout's, whatever is installed
    error, code = None, None
    with (bench.folder / "output.txt").open("w", encoding="utf-8") as output:
        try:
            code = subprocess.run(
                command,
                cwd=bench.folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=60 * bench.minutes + GRACE,
            ).returncode
        except subprocess.TimeoutExpired:
            error = f"ended from outside, {GRACE / 60:g} minutes after its own limit"
    said = (bench.folder / "output.txt").read_text(encoding="utf-8", errors="replace")
    files = RunFiles(bench.folder, RUN)
    report = files.generated / "report.json"
    if code == ExitCode.UNAVAILABLE or (code == ExitCode.BAD_INPUT and not report.is_file()):
        raise Unavailable(said.strip()[-600:])
    if code == ExitCode.INTERRUPTED:  # from outside: Ctrl-C reaches this process too, and ends it
        raise Unavailable("the run was interrupted")
    if report.is_file():
        delivery = from_report(FinalReport.model_validate_json(report.read_bytes()))
    else:
        delivery = Delivery(error=f"no report: {said.strip()[-300:]}", attempts=0)
    delivery.exit_code = code
    delivery.error = error or delivery.error
    if files.project.is_dir():
        delivery.files = read_project(files.project)
        delivery.visible_passed = asyncio.run(_visible(bench, task, delivery.files))
    return delivery


def from_report(report: FinalReport) -> Delivery:
    """Return the figures of the product's own report."""
    return Delivery(
        accepted=report.verdict == "accepted",
        milestones_accepted=sum(m.status is Status.ACCEPTED for m in report.milestones),
        milestones=len(report.milestones),
        attempts=sum(len(m.attempts) for m in report.milestones),
        calls=sum(agent.calls for agent in report.agents),
        usage=report.usage,
        models=report.models,
        error=report.stopped_by,
    )


Arm = Callable[[Bench, Task], Delivery]
ARMS: Mapping[str, Arm] = {"single": single, "pipeline": pipeline, "resample": resample}
"""``resample`` comes last: its budget is what the pipeline took."""
