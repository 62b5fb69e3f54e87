"""The Critic's review, and the passes over accepted work: what is kept, and what is not."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from agents.context import Context
from agents.critic import review
from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.refactorer import refactor
from orchestrator.evidence.static import certain_errors
from orchestrator.workspace.project import Project
from schemas.errors import ExitCode, InvalidOutput
from schemas.evidence import Evidence
from schemas.review import ReviewFinding
from schemas.specification import Specification
from schemas.test_report import TestReport
from tests.helpers import Done, go, measured
from tests.model_calls import runner_for
from tests.replies import (
    BAD_CORE,
    CORE,
    CORE_TESTS,
    FIRST,
    MEND,
    NO_CHANGE,
    PLAN,
    SECOND,
    SMALL,
    files,
    judgement,
    python,
    script,
    spec,
)
from tests.test_by_function import IDEA, MILESTONE, RIGHT, WRONG

NOTHING = ("refactorer", "Nothing to do.")


def finding(path: str, label: str, remove: str, add: str, why: str = "It returns too little.") -> str:
    return (
        f"```finding path={path} criterion={label}\n{why}\n<<<<<<< REMOVE\n{remove}\n=======\n{add}\n>>>>>>> ADD\n```"
    )


def edit(path: str, remove: str, add: str) -> str:
    return f"```edit path={path}\n<<<<<<< REMOVE\n{remove}\n=======\n{add}\n>>>>>>> ADD\n```"


def reviewed(*replies: str, small: bool = False) -> list[ReviewFinding]:
    evidence = Evidence(generated=TestReport(total=0, passed=0, failed=0), acceptance=None, program=None)
    context = Context(IDEA, MILESTONE, turn=1, files={"calc.py": WRONG}, evidence=evidence)
    model = ScriptedModel([ScriptedReply(agent="critic", reply=r) for r in replies], traits=SMALL if small else None)
    specification = Specification.model_validate_json(spec("double"))
    return asyncio.run(review(runner_for(model), context, specification))


def test_a_finding_names_file_line_criterion_and_exact_edit() -> None:
    (found,) = reviewed(finding("calc.py", "C1", "    return n", "    return 2 * n"))
    assert str(found) == "calc.py:3: It returns too little. (two is four)"
    assert (found.edit.remove, found.edit.add) == ("    return n", "    return 2 * n")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "All good!",
        finding("calc.py", "C9", "    return n", "    return 2 * n"),
        finding("calc.py", "C1", "    return m", "    return 2 * n"),
        finding("calc.py", "C1", "    return n", "    return n"),
        finding("other.py", "C1", "    return n", "    return 2 * n"),
        finding("../calc.py", "C1", "    return n", "    return 2 * n"),
        finding("calc.py", "C1", "    return n", "    return 2 * n", why=""),
        "```finding path=calc.py criterion=C1\nIt is wrong.\n```",
    ],
)
def test_what_can_not_be_pointed_at_is_no_finding(reply: str) -> None:
    with pytest.raises(InvalidOutput):
        reviewed(*[reply] * 3)


def test_nothing_may_be_wrong() -> None:
    assert reviewed("No findings.") == []


def test_a_small_model_chooses_among_the_lines_that_are_there() -> None:
    flaw = {"criterion": "C1", "why": "too little", "line": "    return n", "instead": "return 2 * n"}
    (found,) = reviewed(json.dumps({"findings": [flaw, {**flaw, "line": "no such line"}]}), small=True)
    assert (found.line, found.edit.add) == (3, "    return 2 * n")


AWKWARD = '    x = name.strip()\n    return f"Hello, {x}!"'
SLOPPY = CORE.replace('    return f"Hello, {name.strip()}!"', AWKWARD)
TIDIED = edit("greeter/core.py", AWKWARD, '    return f"Hello, {name.strip()}!"')


@pytest.fixture(scope="module")
def sloppy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The logs of a run on the same code: what it measured holds whatever is made of it."""
    return (*measured(), refactored(tmp_path_factory.mktemp("sloppy"), "Nothing to do.", ()).files.logs)


def refactored(
    tmp_path: Path,
    reply: str,
    known: tuple[Path, ...],
    *more: tuple[str, str],
    after: tuple[tuple[str, str], ...] = (),
) -> Done:
    lines = [
        ("planner", PLAN),
        *FIRST,
        ("impl", files({"greeter/core.py": SLOPPY})),
        ("evaluator", judgement()),
        *[("refactorer", reply)] * 3,
        *more,
        *SECOND,
        *after,
    ]
    replies = [*script(*lines), ScriptedReply(agent="refactorer", reply="Nothing to do.", repeat=True)]
    # A reply that is used up at once leaves two more; the second milestone takes them, and none fits its files.
    return go(tmp_path, ScriptedModel(replies, name=tmp_path.name), refactor="on", reuse=known)


def test_a_pass_that_changes_nothing_for_the_worse_is_kept_and_committed(
    tmp_path: Path, sloppy: tuple[Path, ...]
) -> None:
    done = refactored(tmp_path, TIDIED, sloppy, ("evaluator", judgement()))
    attempt = done.report.milestones[0].attempts[0]
    assert (done.code, attempt.passes[0].kept, attempt.passes[0].reason) == (
        ExitCode.OK,
        True,
        "changed greeter/core.py",
    )
    assert "x = name" not in done.git("show", "accepted-M1:greeter/core.py")
    assert "M1: refactorer" in done.git("log", "--format=%s")


@pytest.mark.parametrize(
    ("reply", "opinions", "why"),
    [
        (edit("greeter/core.py", "Hello, {x}!", "Hi, {x}!"), (), "acceptance check AC"),
        (TIDIED, (("evaluator", judgement(4, security=3)),), "security fell"),
        (TIDIED.replace("name.strip()}", "nam.strip()}"), (), "reply is invalid"),
        (edit("tests/test_m1_unit.py", '    assert "Bob" in greet("Bob")', "    assert True"), (), "tests stay"),
        (edit("greeter/core.py", "def greet(name: str)", "def greet(person: str)"), (), "reply is invalid"),
        ("Rewrite it all.", (), "reply is invalid"),
        ("Nothing to do.", (), "nothing to change"),
    ],
    ids=["breaks a check", "a dimension falls", "undefined name", "touches a test", "signature", "no edit", "nothing"],
)
def test_a_pass_that_makes_anything_worse_is_not_kept(
    reply: str, opinions: tuple[tuple[str, str], ...], why: str, tmp_path: Path, sloppy: tuple[Path, ...]
) -> None:
    done = refactored(tmp_path, reply, sloppy, *opinions, after=opinions)
    (first, *_) = done.report.milestones[0].attempts[0].passes
    assert (done.code, first.kept, why in first.reason) == (ExitCode.OK, False, True), first.reason
    assert done.git("show", "accepted-M1:greeter/core.py") == SLOPPY


def test_a_limit_costs_the_pass_and_not_what_was_accepted(tmp_path: Path) -> None:
    lines = [("planner", PLAN), *FIRST, ("impl", files({"greeter/core.py": CORE})), ("evaluator", judgement()), NOTHING]
    done = go(tmp_path, script(*lines), refactor="on", limits={"calls": 7})
    assert done.report.milestones[0].status.value == "accepted"
    assert (done.code, done.report.milestones[0].attempts[0].passes) == (ExitCode.LIMIT, [])
    assert done.git("show", "delivered:greeter/core.py") == CORE


def test_what_the_critic_found_is_in_the_next_prompt_and_in_the_report(tmp_path: Path) -> None:
    doc, better = '"""Greetings."""', '"""Greetings, by name."""'
    wish = finding("greeter/core.py", "rules", doc, better, "The docstring is thin.")
    lines = [
        ("planner", PLAN),
        *FIRST,
        ("impl", files({"greeter/core.py": BAD_CORE})),
        ("critic", wish),
        ("evaluator", judgement()),
        ("spec", NO_CHANGE),
        ("impl", MEND),
        ("critic", wish),
        ("evaluator", judgement()),
        *SECOND[:-1],
        ("critic", "No findings."),
        SECOND[-1],
    ]
    model = ScriptedModel(script(*lines))
    done = go(tmp_path, model, review="on")
    assert done.code is ExitCode.OK
    second = [r for r in model.requests if r.agent == "impl"][1].messages[0].content
    assert "The Critic asks for: greeter/core.py:1: The docstring is thin." in second
    assert any("The docstring is thin." in item.evidence for item in done.report.tech_debt)


def test_a_small_model_rewrites_one_function(tmp_path: Path) -> None:
    better = RIGHT.replace("return 2 * n", "return n + n")
    model = ScriptedModel([ScriptedReply(agent="refactorer", reply=python(better))], traits=replace(SMALL, choices=1))
    context = Context(IDEA, MILESTONE, turn=1, files={"calc.py": RIGHT, "tests/test_calc.py": CORE_TESTS})
    change = asyncio.run(refactor(runner_for(model), context, certain_errors))
    assert [w.content for w in change.writes] == [better]


@pytest.mark.parametrize("error", [OSError("the disk is full"), SystemExit(3), asyncio.CancelledError(), KeyError("x")])
def test_whatever_a_pass_raises_leaves_what_was_accepted(
    error: BaseException, tmp_path: Path, sloppy: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Project.commit

    def commit(self: Project, message: str, tag: str | None = None) -> str:
        if message.endswith(": refactorer"):
            raise error
        return real(self, message, tag)

    monkeypatch.setattr(Project, "commit", commit)
    done = refactored(tmp_path, TIDIED, sloppy, ("evaluator", judgement()), after=(("evaluator", judgement()),))
    (first, *_) = done.report.milestones[0].attempts[0].passes
    assert (done.code, first.kept) == (ExitCode.OK, False)
    assert done.git("show", "delivered:greeter/core.py") == SLOPPY
