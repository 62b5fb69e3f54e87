"""The ideas of the benchmark, its scoring and its arithmetic.

Ideas with dependencies of their own are verified by ``python -m benchmarks.ideas --verify``, which may fetch those.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.ports import Progress
from benchmarks.ideas import task as tasks_module
from benchmarks.ideas.__main__ import main, row
from benchmarks.ideas.arms import RUN, Delivery, _asked, project_from
from benchmarks.ideas.report import LOOKED_AT, page, summary
from benchmarks.ideas.task import Task, emptied, load, outcomes, refusing
from benchmarks.statistics import sign
from orchestrator.evidence.collect import acceptance_source
from orchestrator.evidence.environment import Environment
from orchestrator.journal.events import read_events
from orchestrator.sandbox.bubblewrap import Bubblewrap
from orchestrator.workspace.layout import RunFiles
from schemas.call import ModelReply, ModelRequest
from schemas.report import FinalReport
from tests.helpers import GREETER, bare_environment
from tests.replies import BAD_CORE, CORE, GOOD, files

TASKS = load()
ALONE = [task for task in TASKS if not task.idea.constraints.dependencies]
"""Those whose references run with the standard library alone."""

Outcomes = Mapping[str, Mapping[str, bool]]
"""Idea → its visible and held-out checks → whether each passed."""

each = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
each_alone = pytest.mark.parametrize("task", ALONE, ids=lambda task: task.name)


def started(folder: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> subprocess.Popen[bytes]:
    """Run all checks of all ideas on their references, after ``change``: in one process, which is quicker."""
    for task in ALONE:
        checks = "\n\n".join(acceptance_source(check) for check in task.idea.acceptance if check.check)
        ours = {f"visible_{task.name}.py": checks, f"heldout_{task.name}.py": task.held_out}
        for path, content in {**change(task.reference), **ours}.items():
            assert not (folder / path).exists(), f"two ideas have {path}"
            (folder / path).write_text(content)
    names = [f"{kind}_{task.name}.py" for task in ALONE for kind in ("visible", "heldout")]
    options = ["-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "--noconftest", "--rootdir", "."]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, "-c", os.devnull, "--junitxml=found.xml", *names],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
    )


def found_in(folder: Path) -> Outcomes:
    found: dict[str, dict[str, bool]] = {task.name: {} for task in ALONE}
    for case in ElementTree.parse(folder / "found.xml").iter("testcase"):  # noqa: S314  (pytest has just written it)
        found[case.attrib["classname"].partition("_")[2]][case.attrib["name"]] = not len(case)
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcomes, Outcomes]:
    """What came of the references, and of them with functions that do nothing."""
    folders = tmp_path_factory.mktemp("reference"), tmp_path_factory.mktemp("emptied")
    processes = [started(folders[0], dict), started(folders[1], emptied)]
    for process in processes:
        process.wait(timeout=120)
    return found_in(folders[0]), found_in(folders[1])


@pytest.fixture(scope="module")
def referred(both: tuple[Outcomes, Outcomes]) -> Outcomes:
    return both[0]


@pytest.fixture(scope="module")
def idle(both: tuple[Outcomes, Outcomes]) -> Outcomes:
    return both[1]


@pytest.fixture(scope="module")
def environment() -> Environment:
    return bare_environment()


def test_there_are_ideas_of_many_kinds() -> None:
    assert len(TASKS) >= 12
    assert len(TASKS) - len(ALONE) == 2
    assert sum(task.idea.run is not None for task in TASKS) == 3


@each
def test_an_idea_is_valid_and_hides_nothing_in_itself(task: Task) -> None:
    assert 3 <= len(task.idea.features) <= 6
    assert 3 <= len(task.idea.acceptance) <= 6
    assert all(check.check and not check.holdout for check in task.idea.acceptance)


def seen_in(text: str, task: Task) -> list[str]:
    """Return the held-out checks all of whose statements stand in ``text``."""

    def one_line(source: str) -> str:
        return " ".join(source.split())

    tests = [n for n in ast.parse(task.held_out).body if isinstance(n, ast.FunctionDef) and n.name in task.tests]
    said = {test.name: [one_line(ast.unparse(statement)) for statement in test.body] for test in tests}
    return [name for name, statements in said.items() if all(part in one_line(text) for part in statements)]


@each
def test_held_out_checks_are_few_named_once_and_in_no_idea(task: Task) -> None:
    assert 5 <= len(set(task.tests)) == len(task.tests) <= 12
    visible = ast.unparse(ast.parse("\n".join(check.check or "" for check in task.idea.acceptance)))
    assert seen_in(ast.unparse(ast.parse(task.held_out)), task) == list(task.tests)
    assert seen_in(visible, task) == seen_in(task.text, task) == []


@each_alone
def test_the_reference_passes_every_check(task: Task, referred: Outcomes) -> None:
    found = referred[task.name]
    assert [name for name, passed in found.items() if not passed] == []
    assert len(found) == len(task.idea.acceptance) + len(task.tests)


@each_alone
def test_no_held_out_check_passes_where_no_function_does_anything(task: Task, idle: Outcomes) -> None:
    assert [name for name in task.tests if idle[task.name][name]] == []


def made(folder: Path, held_out: str) -> Task:
    """Return an idea with these held-out checks."""
    (folder / "held_out.py").write_text(held_out)
    (folder / "idea.yaml").write_text(GREETER.read_text())
    return Task(folder)


TWO = "def test_good():\n    import m\n    assert m.f() == 1\n\ndef test_bad():\n    import m\n    assert m.g() == 2\n"


def scored(task: Task, project: dict[str, str], environment: Environment) -> dict[str, str]:
    return asyncio.run(outcomes(task, project, Bubblewrap(), environment))


def test_a_project_can_not_sway_its_score_by_what_pytest_would_read(tmp_path: Path, environment: Environment) -> None:
    project = {
        "m.py": "def f(): return 1\n",
        "conftest.py": "def pytest_runtest_call(item):\n    item.obj = lambda: None\n",
        "pytest.ini": "[pytest]\naddopts = --collect-only\n",
        "held_out.py": "def test_bad(): pass\n",
    }
    assert scored(made(tmp_path, TWO), project, environment) == {"test_good": "passed", "test_bad": "failed"}


def test_without_a_project_every_held_out_check_fails(tmp_path: Path, environment: Environment) -> None:
    assert scored(made(tmp_path, TWO), {}, environment) == {"test_good": "failed", "test_bad": "failed"}


def test_a_collection_error_fails_every_held_out_check(tmp_path: Path, environment: Environment) -> None:
    task = made(tmp_path, f"import m\n\n{TWO}")
    assert scored(task, {"m.py": "1 / 0\n"}, environment) == {"test_good": "error", "test_bad": "error"}


def test_a_check_that_keeps_the_others_from_ending_fails_alone(tmp_path: Path, environment: Environment) -> None:
    project = {"m.py": "import os\n\ndef f(): return 1\n\ndef g(): os._exit(0)\n"}
    assert scored(made(tmp_path, TWO), project, environment) == {"test_good": "passed", "test_bad": "error"}


def test_files_of_a_reply_are_named_by_fence_by_comment_or_by_the_module() -> None:
    reply = "Here:\n```python path=a.py\nA = 1\n```\n```python\n# pkg/b.py\nB = 1\n```\n```sh\npython a.py\n```\n"
    assert project_from(reply, "c.py") == {"a.py": "A = 1\n", "pkg/b.py": "# pkg/b.py\nB = 1\n"}
    assert project_from("```python\nC = 1\n```\n```sh\nls\n```", "c.py") == {"c.py": "C = 1\n"}
    assert project_from("I can't.", "c.py") == {}


def test_a_path_outside_the_project_is_no_path() -> None:
    assert project_from("```python path=../../etc/x.py\nA = 1\n```", "c.py") == {"c.py": "A = 1\n"}


def test_one_reply_is_asked_for_by_the_idea_alone(tmp_path: Path) -> None:
    sent: list[ModelRequest] = []

    class Listens(ScriptedModel):
        async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
            sent.append(request)
            return await super().reply(request, progress)

    task = TASKS[0]
    asyncio.run(_asked(Listens([ScriptedReply(agent="impl", reply="No.")]), task, 0))
    texts = [sent[0].system, *(message.content for message in sent[0].messages)]
    assert (len(sent), sum(task.text.strip() in text for text in texts)) == (1, 1)
    assert [seen_in(text, task) for text in texts] == [[], []]


def test_all_arms_end_in_a_row_and_are_not_asked_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = workspace / "tasks" / "greeter"
    folder.mkdir(parents=True)
    idea = yaml.safe_load(GREETER.read_text())
    idea["acceptance"] = idea["acceptance"][:2]
    test = "def test_{}():\n    from greeter import greet\n    assert greet(' Bo ') == '{}'\n"
    made(folder, test.format("strips", "Hello, Bo!") + test.format("shouts", "HELLO"))
    (folder / "idea.yaml").write_text(yaml.safe_dump(idea))
    monkeypatch.setattr(tasks_module, "TASKS", workspace / "tasks")
    ask = "Write a complete Python project"
    right = ScriptedReply(agent="impl", match=ask, reply=files({"greeter.py": CORE}))
    wrong = right.model_copy(update={"reply": files({"greeter.py": BAD_CORE})})
    script = [line.model_dump() for line in [wrong, right, *GOOD]]
    (workspace / "script.yaml").write_text(yaml.safe_dump(script))
    config = workspace / "scripted.toml"
    config.write_text(
        f'backend = "scripted"\nscript = "{workspace / "script.yaml"}"\nreview = "off"\nrefactor = "off"\n'
        "[sandbox]\nmutants = 0\n"
    )
    folders = ["--results", str(workspace / "results"), "--workspace", str(workspace / "runs")]
    arguments = [*folders, "--config", str(config)]
    assert main(arguments) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.rpartition(", ")[0] for line in said] == [
        "greeter single: 1 of 2 held-out checks, not accepted",
        "greeter pipeline: 1 of 2 held-out checks, accepted",
        "greeter resample: 1 of 2 held-out checks, accepted",
    ]
    found = json.loads((workspace / "results" / "pipeline.jsonl").read_text())
    assert (found["accepted"], found["visible_passed"], found["visible_total"]) == (True, 2, 2)
    assert (found["milestones_accepted"], found["milestones"], found["attempts"], found["exit_code"]) == (2, 2, 2, 0)
    run = RunFiles(workspace / "runs" / "pipeline-greeter-1", RUN)
    report = FinalReport.model_validate_json((run.generated / "report.json").read_text())
    assert found["calls"] == sum(event["event"] == "agent_call" for event in read_events(run.events)) == len(GOOD)
    assert found["output_tokens"] == report.usage.output_tokens > 0
    delivered = json.loads((workspace / "results" / "deliveries" / "single-greeter.json").read_text())
    assert delivered == {"greeter.py": BAD_CORE}
    again = json.loads((workspace / "results" / "resample.jsonl").read_text())
    assert (again["calls"], again["visible_passed"]) == (2, 2)
    noted = (workspace / "results" / "runs.jsonl").read_text()
    assert main(arguments) == 0
    assert "holds all of that already" in capsys.readouterr().out
    assert (workspace / "results" / "runs.jsonl").read_text() == noted


def outcome(idea: str, passed: int, total: int, *, accepted: bool, **more: Any) -> dict[str, Any]:
    """Return a row of which only a part matters."""
    means = dict.fromkeys(("attempts", "calls", "input_tokens", "cached_tokens", "output_tokens", "seconds"), 1)
    marks = {f"test_{n}": "passed" if n < passed else "failed" for n in range(total)}
    about = {"model": "m", "at": "2026-01-01", "milestones": 0, "held_out": marks, **means, **more}
    about |= {"visible_passed": int(accepted), "visible_total": 1}
    return {"idea": idea, "held_out_passed": passed, "held_out_total": total, "accepted": accepted, **about}


PIPELINE = {
    "a": outcome("a", 10, 10, accepted=True, seconds=10),
    "b": outcome("b", 9, 10, accepted=True, seconds=20),
    "c": outcome("c", 5, 5, accepted=False),
    "d": outcome("d", 0, 5, accepted=False),
}
SINGLE = {"a": outcome("a", 5, 10, accepted=False), "b": outcome("b", 10, 10, accepted=False)}


def test_shares_are_over_all_checks_and_over_ideas() -> None:
    arm = summary({"pipeline": PIPELINE})["arms"]["pipeline"]
    assert (arm["micro"], arm["macro"]) == (0.8, 0.725)
    assert (arm["whole"], arm["ideas"], arm["seconds"]) == (2, 4, 8)
    assert arm["interval"] == [0.15, 0.85]


def test_what_was_looked_at_is_left_out_of_the_figure_for_the_others() -> None:
    seen = {LOOKED_AT[0]: outcome(LOOKED_AT[0], 0, 10, accepted=False)}
    arm = summary({"pipeline": {**PIPELINE, **seen}})["arms"]["pipeline"]
    assert (arm["micro"], arm["unseen"]) == (0.6, 0.8)
    assert summary({"pipeline": seen})["arms"]["pipeline"]["unseen"] is None


def test_verdicts_are_held_against_the_held_out_checks() -> None:
    verdicts = summary({"pipeline": PIPELINE})["arms"]["pipeline"]["verdicts"]
    assert list(verdicts["all"].values()) == [1, 1, 1, 1, 0.5, 0.5]
    assert list(verdicts["most"].values()) == [2, 0, 1, 1, 1.0, 0.6667]


def test_the_visible_checks_alone_are_a_verdict_too() -> None:
    visible = {name: {**row, "visible_passed": int(name in "ac")} for name, row in PIPELINE.items()}
    arm = summary({"pipeline": visible})["arms"]["pipeline"]
    assert list(arm["visible"]["all"].values()) == [2, 0, 0, 2, 1.0, 1.0]


def test_a_rate_of_nothing_is_none() -> None:
    verdicts = summary({"single": SINGLE})["arms"]["single"]["verdicts"]["all"]
    assert (verdicts["precision"], verdicts["recall"]) == (None, 0.0)


def test_arms_are_compared_on_the_ideas_that_both_have() -> None:
    figures = summary({"single": SINGLE, "pipeline": PIPELINE})
    (pair,) = figures["pairs"]
    assert (pair["ideas"], pair["only_first"], pair["only_second"], pair["p"]) == (2, 1, 1, 1.0)
    assert (pair["first_better"], pair["second_better"], pair["sign_p"]) == (1, 1, 1.0)
    assert [arm["held_out_total"] for arm in figures["common"].values()] == [20, 20]


def test_choosing_between_two_arms_goes_by_the_visible_checks_and_the_first_where_they_tell_nothing() -> None:
    first = {"a": outcome("a", 4, 10, accepted=True), "b": outcome("b", 1, 10, accepted=True)}
    second = {"a": outcome("a", 9, 10, accepted=False), "b": outcome("b", 8, 10, accepted=True)}
    (pair,) = summary({"pipeline": first, "resample": {**second, "c": outcome("c", 5, 5, accepted=True)}})["pairs"]
    assert (pair["chosen"], pair["better"], pair["of"]) == (5, 17, 20)


def test_checks_that_something_is_refused_are_told_apart() -> None:
    figures = summary({"pipeline": PIPELINE}, {"b": ["test_8", "test_9"], "d": ["test_0"]})
    assert figures["refusing"] == {"pipeline": [1, 3]}


def test_the_sign_test_leaves_out_what_is_equal() -> None:
    first = {name: float(name in "abcdefgh") for name in "abcdefghij"}
    assert sign(first, dict.fromkeys("abcdefghij", 0.0)) == (8, 0, 2 / 2**8)


def test_a_project_that_refuses_everything_still_makes_its_objects() -> None:
    source = "class Box:\n    def __init__(self):\n        self.n = 0\n\n    def put(self):\n        return 1\n"
    scope: dict[str, Any] = {}
    exec(refusing({"box.py": source})["box.py"], scope)  # noqa: S102  (the text above)
    with pytest.raises(ValueError):
        scope["Box"]().put()


def test_the_page_names_each_arm_idea_and_verdict() -> None:
    text = page(summary({"single": SINGLE, "pipeline": PIPELINE}), ["ideas-held-out.svg"])
    assert "| pipeline | 4 | 24 of 30 | 80.0% | 80.0% | 72.5% | 2 |" in text
    assert "| single | accepted | all held-out checks pass | 0 | 0 | 1 | 1 | – | 0% |" in text
    assert "| [b](../benchmarks/ideas/tasks/b/idea.yaml) | 10 of 10 | 9 of 10 ✓ |" in text
    assert "| [d](../benchmarks/ideas/tasks/d/idea.yaml) | – | 0 of 5 |" in text
    assert "(plots/ideas-held-out.svg)" in text


def test_a_row_counts_what_the_idea_holds_not_what_was_reported() -> None:
    task = TASKS[0]
    found = row(task, "single", Delivery(), {task.tests[0]: "passed", "test_made_up": "passed"}, 1.0)
    assert (found["held_out_passed"], found["held_out_total"]) == (1, len(task.tests))
