"""An agent from another package: installed by pip, found by its entry point, at work in both routings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import ExitCode
from tests.helpers import GREETER, known_run
from tests.replies import CORE, FIRST, GOOD, PLAN, SECOND, files, judgement, script
from tests.test_cli import called, milepost, scripted
from tests.test_routing import to

EXAMPLE = Path(__file__).parents[1] / "examples" / "docs_agent"
IMPORT = "from agents.finishing import FinishingAgent\n"
GUIDE = "```markdown\n# Greeter\n\n`core.py`: `greet('Bob')`; `__main__.py`, `__init__.py`\n```"


def install(source: Path, target: Path) -> dict[str, str]:
    """Install a package as its own files say, without the network; return the environment that it is seen in."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    done = subprocess.run([*pip, str(target), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {"PYTHONPATH": str(target)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("docs_agent")
    copy = folder / "source"
    subprocess.run(["cp", "-r", str(EXAMPLE), str(copy)], check=True)  # building leaves files behind
    return install(copy, folder / "site")


def lines(*replies: tuple[str, str]) -> list[dict[str, object]]:
    return [line.model_dump() for line in script(*replies)]


def test_the_example_goes_over_what_was_accepted(workspace: Path, installed: dict[str, str]) -> None:
    replies = [
        *lines(("planner", PLAN), *FIRST, ("impl", files({"greeter/core.py": CORE})), ("evaluator", judgement())),
        {"agent": "docs", "reply": GUIDE, "repeat": True},
        *lines(*SECOND),
    ]
    options = ("--run-name", "d", "--reuse", known_run(workspace))
    done = milepost("run", str(GREETER), *options, **scripted(workspace, replies), **installed)
    assert done.returncode == 0, done.stdout + done.stderr
    project = workspace / "generated_projects" / "d" / "project"
    assert (project / "docs" / "guide.md").read_text().startswith("# Greeter")
    record = json.loads((project.parent / "report.json").read_text())
    assert record["milestones"][0]["attempts"][0]["passes"] == [
        {"agent": "docs", "kept": True, "reason": "changed docs/guide.md"}
    ]
    calls = [json.loads(line) for line in milepost("logs", "d", "--agent", "docs", "--json").stdout.splitlines()]
    assert [c["outcome"] for c in calls] == ["ok", "ok"]


def test_the_router_may_send_for_it(workspace: Path, installed: dict[str, str]) -> None:
    replies = [
        *lines(("planner", PLAN), *FIRST, ("impl", files({"greeter/core.py": CORE})), ("evaluator", judgement())),
        *lines(to("docs"), ("docs", GUIDE), *SECOND, to("finish")),
    ]
    settings = {**scripted(workspace, replies), **installed, "MILEPOST_ROUTING": "planner"}
    done = milepost("run", str(GREETER), "--run-name", "d", "--reuse", known_run(workspace), **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "router → docs (router)" in milepost("logs", "d").stdout


def test_it_can_be_given_a_model_and_switched_off(workspace: Path, installed: dict[str, str]) -> None:
    assert "roles.docs" in milepost("doctor", MILEPOST_ROLES_DOCS="cheap", **installed).stdout
    assert "roles.docs: no such agent" in milepost("doctor", MILEPOST_ROLES_DOCS="cheap").stderr
    settings = {**scripted(workspace, [line.model_dump() for line in GOOD]), **installed}
    options = ("run", str(GREETER), "--reuse", known_run(workspace))
    assert milepost(*options, **settings, MILEPOST_EXTENSIONS="false").returncode == 0


def broken(workspace: Path, code: str) -> Path:
    """Install a package whose agent is what ``code`` makes of it; return the folder that it is seen in."""
    site = workspace / "site"
    (site / "broken-1.dist-info").mkdir(parents=True)
    (site / "broken_agent.py").write_text(code)
    (site / "broken-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (site / "broken-1.dist-info" / "entry_points.txt").write_text("[milepost.agents]\nx = broken_agent:AGENT\n")
    return site


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise RuntimeError('broken')", "can't be loaded: RuntimeError: broken"),
        ("AGENT = 7", "is no agents.finishing.FinishingAgent but a int"),
        (f"{IMPORT}AGENT = FinishingAgent('impl', '', print)", "its name 'impl' is taken"),
        (f"{IMPORT}AGENT = FinishingAgent('engineer', '', print)", "its name 'engineer' is taken"),
        (f"{IMPORT}AGENT = FinishingAgent('parts', '', print)", "its name 'parts' is taken"),
        (f"{IMPORT}AGENT = FinishingAgent('A b', '', print)", "is not made of a-z, 0-9 and _"),
        ("raise SystemExit(7)", "can't be loaded: SystemExit: 7"),
    ],
)
def test_one_that_can_not_be_used_is_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    monkeypatch.syspath_prepend(broken(workspace, code))
    monkeypatch.delitem(sys.modules, "broken_agent", raising=False)
    done = called("run", str(GREETER))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "agent 'x' of broken: " in done.stderr
    assert words in done.stderr
    assert [path.name for path in workspace.iterdir()] == ["site"]


def test_one_that_can_not_be_used_does_no_harm_where_agents_of_other_packages_are_off(workspace: Path) -> None:
    settings = {"PYTHONPATH": str(broken(workspace, "raise SystemExit(7)")), **scripted(workspace, [])}
    assert milepost("doctor", **settings).returncode == ExitCode.BAD_INPUT
    assert milepost("doctor", **settings, MILEPOST_EXTENSIONS="false").returncode == 0
