"""The plan of files: none that Python could not import by its path."""

from __future__ import annotations

import asyncio

import pytest

from agents.arch import design
from agents.context import Context
from agents.models.scripted import ScriptedModel, ScriptedReply
from orchestrator.evidence.static import misuses
from schemas.milestone import Criterion
from schemas.specification import Specification
from tests.model_calls import runner_for
from tests.replies import arch, files, spec
from tests.test_by_function import IDEA, MILESTONE, STUB


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("calendar.py", "calendar.py: Python has a module calendar of its own"),
        ("email/core.py", "email/core.py: Python has a module email of its own"),
        ("src/calc.py", "src/calc.py: files are imported from the project's own folder: leave src/ out"),
    ],
)
def test_a_file_that_can_not_be_imported_is_planned_anew(path: str, said: str) -> None:
    second = arch("calc.py", "lib/calendar.py", "test/test_calc.py")
    replies = [arch(path, "calc.py"), second, files({"calc.py": STUB})]
    model = ScriptedModel([ScriptedReply(agent="arch", reply=reply) for reply in replies])
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={})
    specification = Specification.model_validate_json(spec("double"))
    blueprint = asyncio.run(design(runner_for(model), context, specification, misuses))
    assert [file.path for file in blueprint.architecture.files] == [
        "calc.py",
        "lib/calendar.py",
        "test/test_calc.py",
    ]
    assert said in model.requests[1].messages[-1].content


@pytest.mark.parametrize(
    ("check", "run", "path"),
    [
        ("from src.calc import double\nassert double(2) == 4", None, "src/calc.py"),
        ("from calc import double\nassert double(2) == 4", "python src/main.py", "src/main.py"),
        ("from calc import double\nassert double(2) == 4", "python calendar.py", "calendar.py"),
    ],
)
def test_a_file_that_the_user_himself_has_there_is_planned(check: str, run: str | None, path: str) -> None:
    checks = [{"id": "AC1", "statement": "s", "check": check}]
    idea = IDEA.model_validate({**IDEA.model_dump(), "run": run, "acceptance": checks})
    milestone = MILESTONE.model_copy(
        update={"runs_program": run is not None, "acceptance_criteria": [Criterion(statement="s", check="AC1")]}
    )
    calc = "src/calc.py" if path == "src/calc.py" else "calc.py"
    replies = [arch(*dict.fromkeys([calc, path])), files({calc: STUB, path: STUB})]
    model = ScriptedModel([ScriptedReply(agent="arch", reply=reply) for reply in replies])
    context = Context(idea=idea, milestone=milestone, turn=1, files={})
    specification = Specification.model_validate_json(spec("double"))
    blueprint = asyncio.run(design(runner_for(model), context, specification, misuses))
    assert path in blueprint.skeletons
