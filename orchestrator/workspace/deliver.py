"""What is added to an accepted project so that it runs without Milepost: README (where it has none of its own),
requirements, sealed checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from orchestrator.evidence.collect import acceptance_source
from orchestrator.team import Team
from schemas.milestone import Milestone

__all__ = ["PURPOSES", "finishing_files"]

PURPOSES = {
    "README.md": "what it is, how to run and to test it",
    "requirements.txt": "packages that it was tested with",
    "requirements-dev.txt": "what its tests need",
    "pytest.ini": "lets the tests find the code",
    "conftest.py": "leaves out the tests that were set aside",
    "acceptance/test_acceptance.py": "the idea's sealed checks",
}
"""What the files are for that are added."""

_CONFTEST = '''"""Leaves out the tests that were ruled wrong when they were written; the report has the reasons."""

QUARANTINED = {{
{tests}}}


def pytest_collection_modifyitems(config, items):
    """Take a line out above to run its test."""
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in QUARANTINED])
    items[:] = [item for item in items if item.nodeid not in QUARANTINED]
'''


def finishing_files(
    team: Team, files: Mapping[str, str], accepted: list[Milestone], quarantined: Sequence[str]
) -> dict[str, str]:
    """Return path → content of what is to be added to the project's ``files``. ``quarantined`` are the tests that were
    ruled wrong. Requirements are those that the project was tested with, whatever it had written down."""
    idea = team.idea
    pinned = team.laboratory.environment.pinned()
    shown = [c for c in idea.acceptance if c.check and not c.holdout]
    lines = [f"# {idea.name}", "", idea.summary, ""]
    lines += ["## Run it", "", f"Python {idea.constraints.python}.", "", "```sh"]
    lines += ["pip install -r requirements.txt"] if pinned else []
    lines += [idea.run] if idea.run else []
    lines += [
        "```",
        "",
        "## Test it",
        "",
        "```sh",
        "pip install -r requirements-dev.txt",
        "python -m pytest",
        "```",
        "",
    ]
    lines += ["## What it does", ""]
    for milestone in accepted:
        lines += [f"- **{milestone.title}**: {milestone.description}"]
    lines += [""]
    added = {
        **({} if "README.md" in files else {"README.md": "\n".join(lines)}),
        "requirements.txt": "".join(f"{p}\n" for p in pinned) or "# The standard library is enough.\n",
        "requirements-dev.txt": "-r requirements.txt\n"
        + "".join(f"{tool}=={version(tool)}\n" for tool in ("pytest", "pytest-cov")),
        "pytest.ini": "[pytest]\npythonpath = .\n",
    }
    if quarantined:
        added["conftest.py"] = _CONFTEST.format(tests="".join(f"    {test!r},\n" for test in quarantined))
    if shown:
        head = '"""The acceptance checks of the idea, as its author wrote them."""\n\n'
        added["acceptance/test_acceptance.py"] = head + "\n\n\n".join(acceptance_source(c) for c in shown) + "\n"
    return added
