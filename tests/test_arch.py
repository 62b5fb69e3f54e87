"""The plan of files: none that Python could not import by its path."""

from __future__ import annotations

import asyncio

import pytest

from agents.arch import design
from agents.context import Context
from agents.models.scripted import ScriptedModel, ScriptedReply
from orchestrator.evidence.static import misuses
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
    replies = [arch(path, "calc.py"), arch("calc.py", "lib/calendar.py"), files({"calc.py": STUB})]
    model = ScriptedModel([ScriptedReply(agent="arch", reply=reply) for reply in replies])
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={})
    specification = Specification.model_validate_json(spec("double"))
    blueprint = asyncio.run(design(runner_for(model), context, specification, misuses))
    assert [file.path for file in blueprint.architecture.files] == ["calc.py", "lib/calendar.py"]
    assert said in model.requests[1].messages[-1].content
